import type { JSX } from "preact";

import { joined, power } from "../format/numbers";
import { state } from "../live/site";
import { has, text } from "../texts";
import { picture, type End } from "./flow";

const WIDTH = 332;
const SIDE = 92; // for the words at each side
const BAR = 5;

/** The power-flow picture: who gives on the left, who takes on the right, as wide as the watts. */
export function Flow(): JSX.Element | null {
  const known = state.value;
  if (known === null) return null;
  const between = WIDTH - 2 * SIDE;
  const drawn = picture(known, between);
  if (drawn === null) {
    const isKnown = known.grid?.power_w != null || known.pv?.power_w != null;
    return <p class="quiet">{text(isKnown ? "flow.quiet" : "flow.unknown")}</p>;
  }
  const words = [
    ...drawn.sources.map((end) => text("flow.gives", { name: nameOf(end), power: joined(power(end.watts)) })),
    ...drawn.sinks.map((end) => text("flow.takes", { name: nameOf(end), power: joined(power(end.watts)) })),
  ];
  return (
    <svg
      viewBox={`0 -4 ${WIDTH} ${drawn.height + 8}`}
      role="img"
      aria-label={text("flow.label", { text: words.join(", ") })}
    >
      <g transform={`translate(${SIDE} 0)`}>
        {drawn.bands.map((band, index) => (
          <path key={index} d={band.path} data-kind={band.kind} />
        ))}
      </g>
      {drawn.sources.map((end) => (
        <Named key={end.id} end={end} x={SIDE - BAR} textX={SIDE - BAR - 8} anchor="end" />
      ))}
      {drawn.sinks.map((end) => (
        <Named key={end.id} end={end} x={WIDTH - SIDE} textX={WIDTH - SIDE + BAR + 8} anchor="start" />
      ))}
    </svg>
  );
}

interface Placed {
  readonly end: End;
  readonly x: number;
  readonly textX: number;
  readonly anchor: "start" | "end";
}

function Named({ end, x, textX, anchor }: Placed): JSX.Element {
  const middle = end.y + end.height / 2;
  const { value, unit } = power(end.watts);
  return (
    <g>
      <rect x={x} y={end.y} width={BAR} height={Math.max(end.height, 2)} rx={2} data-kind={end.kind} />
      <text class="watts" x={textX} y={middle - 1} text-anchor={anchor}>
        {value} {unit}
      </text>
      <text class="who" x={textX} y={middle + 14} text-anchor={anchor}>
        {short(nameOf(end))}
      </text>
    </g>
  );
}

function nameOf({ kind, name }: End): string {
  const key = `end.${kind}`;
  return name ?? (has(key) ? text(key) : kind);
}

function short(name: string): string {
  return name.length > 13 ? `${name.slice(0, 12)}…` : name;
}
