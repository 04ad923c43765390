import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import type { components } from "../api/schema";
import { digits } from "../format/numbers";
import { state } from "../live/site";
import { Fault } from "../parts/Fault";
import { useAnswer } from "../parts/useAnswer";
import { locale, text } from "../texts";
import { Legend } from "./Bars";
import type { Kind } from "./bars";
import { bounds, type Shown } from "./periods";
import "uplot/dist/uPlot.min.css";

type History = components["schemas"]["HistoryAnswer"];

const HEIGHT = 240;

interface Line {
  readonly kind: Kind;
  readonly series: string;
}

/** A day as lines, one colour a kind of power. Drag to zoom in, double tap to see the whole day again. */
export default function DayChart({ shown }: { readonly shown: Shown }): JSX.Element {
  const lines = linesOf(Object.keys(state.value?.charge_points ?? {}));
  const query = new URLSearchParams({ ...bounds(shown), series: lines.map(({ series }) => series).join(",") });
  const { data, fault, again } = useAnswer<History>(`history?${query}`);
  const room = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (room.current === null || data === null) return;
    const chart = draw(room.current, data, lines);
    const watched = new ResizeObserver(([entry]) => {
      if (entry) chart.setSize({ width: entry.contentRect.width, height: HEIGHT });
    });
    watched.observe(room.current);
    return () => {
      watched.disconnect();
      chart.destroy();
    };
  }, [data]);
  return (
    <>
      <Fault fault={fault} again={again} />
      <p class="quiet small">kW</p>
      <div class="chart-room" ref={room} role="img" aria-label={text("history.day_label")} />
      <Legend kinds={[...new Set(lines.map(({ kind }) => kind))]} />
    </>
  );
}

function linesOf(points: readonly string[]): readonly Line[] {
  const known = state.value;
  return [
    ...(known?.pv ? [{ kind: "sun", series: "pv.power_w" } as const] : []),
    ...(known?.grid ? [{ kind: "grid", series: "grid.power_w" } as const] : []),
    ...(known?.battery ? [{ kind: "battery", series: "battery.power_w" } as const] : []),
    ...(known?.home ? [{ kind: "house", series: "home.power_w" } as const] : []),
    ...points.map((id) => ({ kind: "car", series: `charge_points.${id}.power_w` }) as const),
  ];
}

function draw(room: HTMLElement, history: History, lines: readonly Line[]): uPlot {
  const style = getComputedStyle(room);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const first = Date.parse(history.from) / 1000;
  const length = Math.max(0, ...Object.values(history.series).map((values) => values.length));
  const times = Array.from({ length }, (_one, index) => first + index * history.resolution_s);
  const values = lines.map(({ series }) => (history.series[series] ?? []).map((watts) => (typeof watts === "number" ? watts / 1000 : null)));
  const axis = { stroke: colour("--ink-2"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  const time = new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" });
  return new uPlot(
    {
      width: room.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: true, y: false }, y: false },
      scales: { x: { time: true, range: [first, Math.max(first + 86_400, times.at(-1) ?? 0)] } },
      axes: [
        { ...axis, values: (_chart, splits) => splits.map((at) => time.format(at * 1000)), space: 60 },
        { ...axis, values: (_chart, splits) => splits.map((kilowatts) => digits(kilowatts, splits.some((one) => one % 1 !== 0) ? 1 : 0)), size: 36 },
      ],
      series: [
        {},
        ...lines.map(({ kind }) => ({
          stroke: colour(`--${kind}`),
          width: kind === "car" ? 2.5 : 1.5,
          points: { show: false },
          ...(kind === "sun" ? { fill: `${colour("--sun")}33` } : {}),
        })),
      ],
    },
    [times, ...values],
    room,
  );
}
