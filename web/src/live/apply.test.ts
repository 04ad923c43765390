import { expect, test } from "vitest";

import type { SiteState } from "../api/types";
import { applied, changed } from "./apply";

const STATE = {
  is_stale: false,
  grid: { power_w: 5 },
  battery: { power_w: 1, soc_percent: 50 },
  charge_points: { "1": { power_w: 0, name: "A" }, "2": { power_w: 7 } },
} as unknown as SiteState;

test("a value changes, and what did not change stays the same object", () => {
  const next = applied(STATE, { "charge_points.1.power_w": 9, is_stale: true });
  expect(next.charge_points?.["1"]?.power_w).toBe(9);
  expect(next.is_stale).toBe(true);
  expect(next.charge_points?.["2"]).toBe(STATE.charge_points?.["2"]);
  expect(next.grid).toBe(STATE.grid);
});

test("a part that is gone is null, and one that is back is there", () => {
  expect(applied(STATE, { battery: null }).battery).toBeNull();
  const again = applied(STATE, { "battery.power_w": 3, battery: null });
  expect(again.battery).toEqual({ power_w: 3 });
});

test("a charge point that is gone is no longer among them", () => {
  expect(Object.keys(applied(STATE, { "charge_points.1": null }).charge_points ?? {})).toEqual(["2"]);
});

test("the age of a silence counts from the last value, not from when the page was opened", () => {
  const opened = { ...STATE, updated_at: "2026-11-30T12:00:00Z" };
  const last = changed(opened, { "grid.power_w": 6 }, "2026-11-30T12:03:00Z");
  expect(last.updated_at).toBe("2026-11-30T12:03:00Z");
  expect(changed(last, { is_stale: true }, "2026-11-30T12:03:25Z").updated_at).toBe("2026-11-30T12:03:00Z");
});
