import type { JSX } from "preact";

import type { components } from "../api/schema";
import { energy, joined } from "../format/numbers";
import { Fault } from "../parts/Fault";
import { useAnswer } from "../parts/useAnswer";
import { has, locale, text } from "../texts";
import { barOf, drawn, type Kind } from "./bars";
import { bounds, STEP, type Shown } from "./periods";

type Statistics = components["schemas"]["SiteStatisticsAnswer"];

const WIDTH = 332;
const HEIGHT = 220;
const FOOT = 22;

interface Given {
  readonly shown: Shown;
  readonly onOpen: (from: Date) => void;
}

/** A month by days or a year by months: above the axis where the energy came from, below what became of it. */
export function Bars({ shown, onOpen }: Given): JSX.Element {
  const by = STEP[shown.span === "year" ? "year" : "month"];
  const { data, fault, again } = useAnswer<Statistics>(`statistics?${new URLSearchParams({ by, ...bounds(shown) })}`);
  const items = data?.by === by ? data.items : [];
  const bars = items.map(barOf);
  const picture = drawn(bars, WIDTH, HEIGHT);
  const kinds = [...new Set(picture.rectangles.map(({ kind }) => kind))];
  const every = items.length > 16 ? 5 : items.length > 12 ? 2 : 1;
  return (
    <>
      <Fault fault={fault} again={again} />
      <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT + FOOT}`} role="img" aria-label={text("history.bars_label")}>
        {picture.rectangles.map((one, index) => (
          <rect key={index} x={one.x} y={one.y} width={one.width} height={one.height} data-kind={one.kind} />
        ))}
        <line x1={0} x2={WIDTH} y1={picture.axisY} y2={picture.axisY} />
        {items.map((item, index) => (
          <g key={item.from} class="column" onClick={() => onOpen(middleOf(item))}>
            <rect class="touch" x={index * picture.step} y={0} width={picture.step} height={HEIGHT}>
              <title>{titleOf(item, by)}</title>
            </rect>
            {index % every === 0 && (
              <text x={(index + 0.5) * picture.step} y={HEIGHT + 16} text-anchor="middle">
                {labelOf(item, by)}
              </text>
            )}
          </g>
        ))}
      </svg>
      <Legend kinds={kinds} />
    </>
  );
}

export function Legend({ kinds }: { readonly kinds: readonly Kind[] }): JSX.Element {
  return (
    <p class="row legend">
      {kinds.map((kind) => {
        const key = `end.${kind}`;
        return (
          <span key={kind}>
            <i data-kind={kind} aria-hidden="true" /> {has(key) ? text(key) : kind}
          </span>
        );
      })}
    </p>
  );
}

type Item = Statistics["items"][number];

/** In the middle of a day it is the same day in this device's time zone too. */
function middleOf({ from, to }: Item): Date {
  return new Date((Date.parse(from) + Date.parse(to)) / 2);
}

function labelOf(item: Item, by: "day" | "month"): string {
  const format: Intl.DateTimeFormatOptions = by === "day" ? { day: "numeric" } : { month: "narrow" };
  return new Intl.DateTimeFormat(locale(), format).format(middleOf(item));
}

function titleOf(item: Item, by: "day" | "month"): string {
  const format: Intl.DateTimeFormatOptions = by === "day" ? { weekday: "short", day: "numeric", month: "short" } : { month: "long" };
  const when = new Intl.DateTimeFormat(locale(), format).format(middleOf(item));
  return `${when}: ${text("end.sun")} ${joined(energy(item.pv_wh))}, ${text("history.used")} ${joined(energy(item.consumption_wh))}`;
}
