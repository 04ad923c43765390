/** The power-flow picture as numbers: who gives, who takes, and the bands between them. Pure; watts in, SVG out. */
import type { SiteState } from "../api/types";

export type Kind = "sun" | "battery" | "grid" | "house" | "car";

export interface End {
  readonly id: string;
  readonly kind: Kind;
  readonly watts: number;
  /** A charge point's name; the others are named by their kind. */
  readonly name?: string | undefined;
  readonly y: number;
  readonly height: number;
}

export interface Band {
  readonly kind: Kind;
  readonly path: string;
}

export interface Picture {
  readonly height: number;
  readonly sources: readonly End[];
  readonly sinks: readonly End[];
  readonly bands: readonly Band[];
}

type Load = Omit<End, "y" | "height">;

const LEAST_W = 15; // below this meters only murmur
const GAP = 12;
const LABEL = 34; // an end takes at least as much room as its two lines of words
const BAND = 96; // of all power together

/** `width` is the room between the two rows of ends. Null while nothing is known or nothing flows. */
export function picture(state: SiteState, width: number): Picture | null {
  const sources = loads(state, "gives");
  const sinks = loads(state, "takes");
  const given = sum(sources);
  const taken = sum(sinks);
  if (given <= 0 || taken <= 0) return null;
  const scale = BAND / Math.max(given, taken);
  const height = Math.max(columnHeight(sources, scale), columnHeight(sinks, scale));
  const left = placed(sources, scale, height);
  const right = placed(sinks, scale, height);
  return { height, sources: left, sinks: right, bands: bands(left, right, given, taken, scale, width) };
}

function loads(state: SiteState, way: "gives" | "takes"): Load[] {
  const sign = way === "gives" ? 1 : -1;
  const { grid, battery, pv, home } = state;
  const all: Load[] = [];
  const add = (load: Load): void => {
    if (load.watts >= LEAST_W) all.push(load);
  };
  if (way === "gives" && pv) add({ id: "sun", kind: "sun", watts: pv.power_w ?? 0 });
  if (way === "takes") {
    for (const [id, point] of Object.entries(state.charge_points ?? {}))
      add({ id: `car-${id}`, kind: "car", watts: point.power_w ?? 0, name: point.vehicle ?? point.name ?? undefined });
    if (home) add({ id: "house", kind: "house", watts: home.power_w ?? 0 });
  }
  if (battery) add({ id: "battery", kind: "battery", watts: -sign * (battery.power_w ?? 0) });
  if (grid) add({ id: "grid", kind: "grid", watts: sign * (grid.power_w ?? 0) });
  return all;
}

function columnHeight(ends: readonly Load[], scale: number): number {
  return ends.reduce((height, end) => height + Math.max(LABEL, end.watts * scale), GAP * (ends.length - 1));
}

/** Ends from top to bottom, the column as a whole in the middle. */
function placed(ends: readonly Load[], scale: number, height: number): End[] {
  let top = (height - columnHeight(ends, scale)) / 2;
  return ends.map((end) => {
    const room = Math.max(LABEL, end.watts * scale);
    const thick = end.watts * scale;
    const y = top + (room - thick) / 2;
    top += room + GAP;
    return { ...end, y, height: thick };
  });
}

/** Each taker gets of each giver's power in proportion: so a car's bands show whose power it has. */
function bands(left: readonly End[], right: readonly End[], given: number, taken: number, scale: number, width: number): Band[] {
  const startOf = new Map(left.map((end) => [end.id, end.y]));
  const endOf = new Map(right.map((end) => [end.id, end.y]));
  return right.flatMap((to) =>
    left.map((from) => {
      const thickLeft = (from.watts * to.watts * scale) / taken;
      const thickRight = (from.watts * to.watts * scale) / given;
      const yLeft = advance(startOf, from.id, thickLeft);
      const yRight = advance(endOf, to.id, thickRight);
      return { kind: from.kind, path: band(yLeft, thickLeft, yRight, thickRight, width) };
    }),
  );
}

function band(yLeft: number, thickLeft: number, yRight: number, thickRight: number, width: number): string {
  const middle = width / 2;
  const n = (value: number): string => value.toFixed(1);
  return (
    `M0 ${n(yLeft)}C${middle} ${n(yLeft)} ${middle} ${n(yRight)} ${width} ${n(yRight)}` +
    `V${n(yRight + thickRight)}C${middle} ${n(yRight + thickRight)} ${middle} ${n(yLeft + thickLeft)} 0 ${n(yLeft + thickLeft)}Z`
  );
}

function advance(places: Map<string, number>, id: string, by: number): number {
  const at = places.get(id) ?? 0;
  places.set(id, at + by);
  return at;
}

function sum(ends: readonly Load[]): number {
  return ends.reduce((total, end) => total + end.watts, 0);
}
