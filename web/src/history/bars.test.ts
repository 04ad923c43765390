import { expect, test } from "vitest";

import { barOf, drawn, type Energies } from "./bars";

const NOTHING: Energies = {
  from: "2026-11-29T23:00:00Z",
  to: "2026-11-30T23:00:00Z",
  grid_import_wh: null,
  grid_export_wh: null,
  pv_wh: null,
  battery_charge_wh: null,
  battery_discharge_wh: null,
  home_wh: null,
  charge_points_wh: {},
  consumption_wh: null,
  self_consumption_percent: null,
  autarky_percent: null,
  methods: {},
  covered_percent: {},
} as Energies;

const DAY: Energies = { ...NOTHING, grid_import_wh: 2000, grid_export_wh: 500, pv_wh: 9000, home_wh: 6500, charge_points_wh: { "1": 4000 } } as Energies;

test("sources stand above the axis and uses below, unknown and 0 are left out", () => {
  const bar = barOf(DAY);
  expect(bar.sources).toEqual([
    { kind: "sun", wh: 9000 },
    { kind: "grid", wh: 2000 },
  ]);
  expect(bar.uses).toEqual([
    { kind: "car", wh: 4000 },
    { kind: "house", wh: 6500 },
    { kind: "grid", wh: 500 },
  ]);
});

test("of a time that nobody recorded there is no bar, and that is not a bar of 0", () => {
  expect(barOf(NOTHING)).toEqual({ from: NOTHING.from, sources: null, uses: null });
});

test("several charge points are one part", () => {
  expect(barOf({ ...DAY, charge_points_wh: { "1": 4000, "2": 500 } } as Energies).uses?.[0]).toEqual({ kind: "car", wh: 4500 });
});

test("the highest bar fills the height, and all of them lie within", () => {
  const { rectangles, axisY } = drawn([barOf(DAY), barOf(NOTHING), barOf(DAY)], 300, 200);
  expect(Math.min(...rectangles.map(({ y }) => y))).toBeCloseTo(0);
  expect(Math.max(...rectangles.map(({ y, height }) => y + height))).toBeCloseTo(200);
  expect(axisY).toBeCloseTo(100);
});
