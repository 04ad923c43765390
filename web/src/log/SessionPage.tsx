import type { JSX } from "preact";

import type { components } from "../api/schema";
import { to } from "../app/router";
import { digits, energy, joined, money, percent } from "../format/numbers";
import { duration, moment } from "../format/times";
import { nowMs, state } from "../live/site";
import { Amount } from "../parts/Amount";
import { Fault } from "../parts/Fault";
import { Icon } from "../parts/icons";
import { useAnswer } from "../parts/useAnswer";
import { has, text } from "../texts";

type Session = components["schemas"]["SessionAnswer"];

/** One charge session: what an accountant asks for, and its stretches. */
export default function SessionPage({ id }: { readonly id: string }): JSX.Element {
  const { data, fault, again } = useAnswer<Session>(`sessions/${encodeURIComponent(id)}`);
  return (
    <div class="stack">
      <a class="row back" href={to("log")}>
        <Icon name="back" />
        {text("nav.log")}
      </a>
      <Fault fault={fault} again={again} />
      {data !== null && <Shown session={data} />}
    </div>
  );
}

function Shown({ session }: { readonly session: Session }): JSX.Element {
  const now = new Date(nowMs.value);
  const at = (instant: string): string => moment(new Date(instant), now);
  const { sources, cost } = session;
  const point = state.value?.charge_points?.[session.charge_point]?.name ?? text("point.title", { id: session.charge_point });
  const rows: readonly (readonly [string, string | null])[] = [
    [text("session.charge_point"), point],
    [text("point.vehicle"), session.vehicle],
    [text("session.user"), session.user],
    [text("session.card"), session.tag],
    [text("session.plugged"), session.plugged_s === null ? null : duration(session.plugged_s)],
    [text("session.charging"), duration(session.charging_s)],
    [text("session.meter_start"), kwh(session.meter_start_wh)],
    [text("session.meter_end"), kwh(session.meter_end_wh)],
    [text("point.battery"), socs(session)],
    [text("point.mode"), session.mode !== null && has(`mode.${session.mode}`) ? text(`mode.${session.mode}`) : null],
  ];
  return (
    <>
      <div>
        <h1>
          <Amount of={energy(session.energy_wh)} />
        </h1>
        <p class="quiet">
          {at(session.started_at)} – {session.ended_at === null ? text("log.running") : at(session.ended_at)}
        </p>
      </div>
      {sources !== null && <Sources {...sources} />}
      <dl class="table sheet">
        {rows.map(([name, value]) =>
          value === null ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
        <div>
          <dt>{text("charge.cost")}</dt>
          <dd>{cost === null ? text("session.no_cost") : money(Number(cost.amount), cost.currency)}</dd>
        </div>
      </dl>
      {session.segments.length > 1 && (
        <section class="sheet">
          <h2>{text("session.segments")}</h2>
          <ul class="list">
            {session.segments.map((segment) => (
              <li key={segment.started_at}>
                <span class="row">
                  <span>
                    {at(segment.started_at)}
                    <span class="quiet small"> {segment.is_charging ? (segment.mode ? text(`mode.${segment.mode}`) : "") : text("session.pause")}</span>
                  </span>
                  <Amount of={energy(used(segment))} />
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Sources({ grid_wh: grid, pv_wh: pv, battery_wh: battery }: { readonly grid_wh: number | null; readonly pv_wh: number | null; readonly battery_wh: number | null }): JSX.Element | null {
  const parts = [
    ["sun", pv],
    ["battery", battery],
    ["grid", grid],
  ] as const;
  const all = parts.reduce((sum, [, wh]) => sum + (wh ?? 0), 0);
  if (all <= 0) return null;
  return (
    <section class="sheet stack">
      <div class="shares" aria-hidden="true">
        {parts.map(([kind, wh]) => wh !== null && wh > 0 && <i key={kind} data-kind={kind} style={{ flexGrow: String(wh) }} />)}
      </div>
      <p class="row legend">
        {parts.map(
          ([kind, wh]) =>
            wh !== null &&
            wh > 0 && (
              <span key={kind}>
                <i data-kind={kind} aria-hidden="true" /> {text(`end.${kind}`)} {digits((wh / all) * 100, 0)} %
              </span>
            ),
        )}
      </p>
    </section>
  );
}

function used(segment: Session["segments"][number]): number | null {
  return segment.meter_start_wh === null || segment.meter_end_wh === null ? null : segment.meter_end_wh - segment.meter_start_wh;
}

function kwh(wattHours: number | null): string | null {
  return wattHours === null ? null : `${digits(wattHours / 1000, 3)}\u202fkWh`;
}

function socs({ soc_start_percent: start, soc_end_percent: end }: Session): string | null {
  return start === null && end === null ? null : `${joined(percent(start))} → ${joined(percent(end))}`;
}
