/** What a charge point does, in the words that texts have for it. Pure; tested for every combination that occurs. */
import type { ChargePoint, SiteState } from "../api/types";

export type Doing =
  | { readonly key: "doing.unknown" | "doing.unplugged" | "doing.locked" | "doing.fault" | "doing.full" | "doing.limit" }
  | { readonly key: "doing.stopped" | "doing.standby" | "doing.waits_sun" | "doing.waits_price" | "doing.waits_plan" | "doing.waits_car" }
  | { readonly key: "doing.charges" | "doing.charges_sun" | "doing.charges_sun_battery" | "doing.charges_battery" | "doing.charges_grid" }
  | { readonly key: "doing.charges_mixed"; readonly sunPercent: number };

const MOSTLY = 0.9; // of the power: below a tenth nobody would name a source

export function doing(point: ChargePoint, state: SiteState): Doing {
  if (point.fault?.level === "error") return { key: "doing.fault" };
  if (point.is_plugged === false) return { key: point.is_enabled === false ? "doing.locked" : "doing.unplugged" };
  if (point.is_charging === true) return charging(state);
  if (point.is_enabled === false) return { key: "doing.locked" };
  if (point.is_plugged === null || point.is_charging === null) return { key: "doing.unknown" };
  if (isLimitReached(point)) return { key: "doing.limit" };
  if (point.soc_percent !== null && point.soc_percent >= 100) return { key: "doing.full" };
  switch (point.mode) {
    case "stop":
      return { key: "doing.stopped" };
    case "standby":
      return { key: "doing.standby" };
    case "pv":
      return { key: "doing.waits_sun" };
    case "eco":
      return { key: "doing.waits_price" };
    case "scheduled":
      return { key: "doing.waits_plan" };
    case "instant":
    case "min_pv":
      return { key: "doing.waits_car" };
    default:
      return { key: "doing.unknown" };
  }
}

export interface Shares {
  readonly sun: number;
  readonly battery: number;
  readonly grid: number;
}

/** Of the power that is used at home now, the share of each source; null while one of them is not known. */
export function shares(state: SiteState): Shares | null {
  const grid = state.grid?.power_w;
  if (grid === null || grid === undefined) return null;
  const fromGrid = Math.max(0, grid);
  const fromBattery = Math.max(0, -(state.battery?.power_w ?? 0));
  const fromSun = Math.max(0, state.pv?.power_w ?? 0);
  const all = fromGrid + fromBattery + fromSun;
  return all <= 0 ? null : { sun: fromSun / all, battery: fromBattery / all, grid: fromGrid / all };
}

function charging(state: SiteState): Doing {
  const now = shares(state);
  if (now === null) return { key: "doing.charges" };
  if (now.grid >= MOSTLY) return { key: "doing.charges_grid" };
  if (now.sun >= MOSTLY) return { key: "doing.charges_sun" };
  if (now.battery >= MOSTLY) return { key: "doing.charges_battery" };
  if (now.sun + now.battery >= MOSTLY) return { key: "doing.charges_sun_battery" };
  return { key: "doing.charges_mixed", sunPercent: Math.round(now.sun * 100) };
}

function isLimitReached({ limit, energy_charged_wh: charged, soc_percent: soc }: ChargePoint): boolean {
  if (limit?.type === "energy" && limit.energy_wh != null && charged != null) return charged >= limit.energy_wh;
  if (limit?.type === "soc" && limit.soc_percent != null && soc != null) return soc >= limit.soc_percent;
  return false;
}

/** When the limit of energy is reached at the present power, in milliseconds from now; null: nobody can say. */
export function reachedInMs({ limit, energy_charged_wh: charged, power_w: power }: ChargePoint): number | null {
  if (limit?.type !== "energy" || limit.energy_wh == null || charged == null || !power || power < 100) return null;
  const left = limit.energy_wh - charged;
  return left <= 0 ? null : (left / power) * 3_600_000;
}
