/** Of the energy of a charge session, the share that came from the sun. Pure. */
import type { ChargeSession } from "../api/types";

/** In percent; null: unknown, or there was no energy. */
export function sunPercent({ sources }: Pick<ChargeSession, "sources">): number | null {
  if (sources === null) return null;
  const { pv_wh: pv, battery_wh: battery, grid_wh: grid } = sources;
  const all = (pv ?? 0) + (battery ?? 0) + (grid ?? 0);
  return pv === null || all === 0 ? null : (pv / all) * 100;
}
