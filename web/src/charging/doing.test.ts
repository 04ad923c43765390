import { expect, test } from "vitest";

import type { ChargePoint, SiteState } from "../api/types";
import { doing, reachedInMs } from "./doing";

const SITE = { grid: { power_w: -100 }, pv: { power_w: 8000 }, battery: null } as unknown as SiteState;

function point(more: Partial<ChargePoint>): ChargePoint {
  return { is_plugged: true, is_charging: false, is_enabled: true, soc_percent: null, fault: null, limit: null, ...more } as ChargePoint;
}

test.each([
  [{ is_plugged: false }, "doing.unplugged"],
  [{ is_plugged: false, is_enabled: false }, "doing.locked"],
  [{ is_enabled: false }, "doing.locked"],
  [{ fault: { level: "error", text: "x" } }, "doing.fault"],
  [{ fault: { level: "warning", text: "x" }, mode: "pv" }, "doing.waits_sun"],
  [{ is_plugged: null }, "doing.unknown"],
  [{ is_charging: null }, "doing.unknown"],
  [{ mode: "stop" }, "doing.stopped"],
  [{ mode: "standby" }, "doing.standby"],
  [{ mode: "pv" }, "doing.waits_sun"],
  [{ mode: "eco" }, "doing.waits_price"],
  [{ mode: "scheduled" }, "doing.waits_plan"],
  [{ mode: "instant" }, "doing.waits_car"],
  [{ mode: "min_pv" }, "doing.waits_car"],
  [{ mode: null }, "doing.unknown"],
  [{ soc_percent: 100, mode: "pv" }, "doing.full"],
  [{ mode: "instant", limit: { type: "energy", energy_wh: 5000 }, energy_charged_wh: 5000 }, "doing.limit"],
  [{ mode: "instant", limit: { type: "energy", energy_wh: 5000 }, energy_charged_wh: 4999 }, "doing.waits_car"],
  [{ mode: "instant", limit: { type: "soc", soc_percent: 80 }, soc_percent: 80 }, "doing.limit"],
  [{ is_charging: true }, "doing.charges_sun"],
] as const)("%o: %s", (more, key) => {
  expect(doing(point(more as Partial<ChargePoint>), SITE).key).toBe(key);
});

test.each([
  [{ grid: 5000, pv: 0, battery: 0 }, "doing.charges_grid"],
  [{ grid: 0, pv: 5000, battery: 0 }, "doing.charges_sun"],
  [{ grid: 0, pv: 0, battery: -5000 }, "doing.charges_battery"],
  [{ grid: 100, pv: 3000, battery: -2000 }, "doing.charges_sun_battery"],
  [{ grid: 2500, pv: 2500, battery: 0 }, "doing.charges_mixed"],
  [{ grid: null, pv: 2500, battery: 0 }, "doing.charges"],
])("the source of a charge: %o is %s", ({ grid, pv, battery }, key) => {
  const site = { grid: { power_w: grid }, pv: { power_w: pv }, battery: { power_w: battery } } as unknown as SiteState;
  expect(doing(point({ is_charging: true }), site).key).toBe(key);
});

test("when a limit of energy is reached", () => {
  const charging = { limit: { type: "energy", energy_wh: 10_000, soc_percent: null }, energy_charged_wh: 5_000, power_w: 10_000 } as const;
  expect(reachedInMs(point(charging))).toBe(1_800_000);
  expect(reachedInMs(point({ ...charging, power_w: 0 }))).toBeNull();
  expect(reachedInMs(point({ ...charging, energy_charged_wh: null }))).toBeNull();
});
