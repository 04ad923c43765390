/** Energies by day, month or year as stacked bars. Pure; the API's statistics in, rectangles out. */
import type { components } from "../api/schema";

export type Energies = components["schemas"]["SiteEnergies"];
export type Kind = "sun" | "battery" | "grid" | "house" | "car";

export interface Part {
  readonly kind: Kind;
  readonly wh: number;
}

export interface Bar {
  readonly from: string;
  /** Above the axis: where the energy came from. Below: what became of it. Null: nothing is known of this time. */
  readonly sources: readonly Part[] | null;
  readonly uses: readonly Part[] | null;
}

export function barOf(energies: Energies): Bar {
  const { grid_import_wh: bought, grid_export_wh: sold, pv_wh: pv, battery_discharge_wh: given, battery_charge_wh: taken } = energies;
  const cars = sumOf(Object.values(energies.charge_points_wh));
  const isKnown = [bought, sold, pv, given, taken, cars, energies.home_wh].some((wh) => wh !== null);
  if (!isKnown) return { from: energies.from, sources: null, uses: null };
  return {
    from: energies.from,
    sources: parts([
      ["sun", pv],
      ["battery", given],
      ["grid", bought],
    ]),
    uses: parts([
      ["car", cars],
      ["house", house(energies, cars)],
      ["battery", taken],
      ["grid", sold],
    ]),
  };
}

/** The house without the charge points. `home_wh` is measured so; where only the whole consumption is known, it is the rest. */
function house({ home_wh: home, consumption_wh: all }: Energies, cars: number | null): number | null {
  if (home !== null) return home;
  return all === null || cars === null ? null : Math.max(0, all - cars);
}

function parts(named: readonly (readonly [Kind, number | null])[]): readonly Part[] {
  return named.flatMap(([kind, wh]) => (wh !== null && wh > 0 ? [{ kind, wh }] : []));
}

/** Of none it is null. */
function sumOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, wh) => sum + wh, 0);
}

export interface Rectangle {
  readonly kind: Kind;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Drawn {
  readonly rectangles: readonly Rectangle[];
  readonly axisY: number;
  readonly step: number;
  /** What the upper end of the axis stands for. */
  readonly topWh: number;
}

const SHARE = 0.7; // of a step that its bar takes

export function drawn(bars: readonly Bar[], width: number, height: number): Drawn {
  const total = (stack: readonly Part[] | null): number => (stack ?? []).reduce((sum, { wh }) => sum + wh, 0);
  const top = Math.max(1, ...bars.map(({ sources }) => total(sources)));
  const bottom = Math.max(1, ...bars.map(({ uses }) => total(uses)));
  const scale = height / (top + bottom);
  const axisY = top * scale;
  const step = width / Math.max(1, bars.length);
  const rectangles = bars.flatMap(({ sources, uses }, index) => {
    const x = index * step + (step * (1 - SHARE)) / 2;
    const stacked = (stack: readonly Part[] | null, way: 1 | -1): Rectangle[] => {
      let at = axisY;
      return (stack ?? []).map(({ kind, wh }) => {
        const tall = wh * scale;
        const y = way === 1 ? at - tall : at;
        at += way === 1 ? -tall : tall;
        return { kind, x, y, width: step * SHARE, height: tall };
      });
    };
    return [...stacked(sources, 1), ...stacked(uses, -1)];
  });
  return { rectangles, axisY, step, topWh: top };
}
