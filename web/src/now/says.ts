/** The one sentence on top of the page, and its second line. Pure but for the language. */
import type { ChargePoint, SiteState } from "../api/types";
import { doing, reachedInMs } from "../charging/doing";
import { energy, joined, percent, power } from "../format/numbers";
import { age, timeOfDay } from "../format/times";
import { text } from "../texts";

export interface Says {
  readonly headline: string;
  readonly more: string;
}

/** Most interesting first: whoever charges, then whoever waits, then what the sun does. */
export function says(state: SiteState, nowMs: number): Says {
  const points = Object.entries(state.charge_points ?? {});
  const first = points.find(([, point]) => point.is_charging) ?? points.find(([, point]) => point.is_plugged);
  if (first === undefined) {
    const exports = (state.grid?.power_w ?? 0) < -200 && (state.pv?.power_w ?? 0) > 0;
    return { headline: text(points.length > 0 ? "say.nothing" : "say.site_unknown"), more: exports ? text("say.sun_more") : "" };
  }
  const [id, point] = first;
  const words = doing(point, state);
  const named = text(words.key, words.key === "doing.charges_mixed" ? { sunPercent: words.sunPercent } : {});
  const isOneOfSeveral = points.filter(([, one]) => one.is_plugged).length > 1;
  const headline = isOneOfSeveral ? text("say.point", { name: nameOf(id, point), doing: named }) : named;
  const who = point.vehicle ?? (points.length > 1 ? nameOf(id, point) : "");
  return { headline, more: [point.is_charging ? ends(point, nowMs) : "", who].filter(Boolean).join(" · ") };
}

export function nameOf(id: string, point: ChargePoint): string {
  return point.name ?? text("point.title", { id });
}

function ends(point: ChargePoint, nowMs: number): string {
  const parts = [joined(power(point.power_w))];
  const left = reachedInMs(point);
  if (left !== null && point.limit?.energy_wh != null) {
    const at = timeOfDay(new Date(nowMs + left));
    parts.push(text("say.about", { energy: joined(energy(point.limit.energy_wh)), time: age(left), at }));
  } else if (point.soc_percent !== null) {
    const target = point.limit?.type === "soc" && point.limit.soc_percent != null ? ` → ${joined(percent(point.limit.soc_percent))}` : "";
    parts.push(`${joined(percent(point.soc_percent))}${target}`);
  }
  return parts.join(" · ");
}
