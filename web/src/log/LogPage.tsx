import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { ask } from "../api/client";
import type { ChargeSession } from "../api/types";
import { to } from "../app/router";
import { digits, energy, money } from "../format/numbers";
import { lastEvent, nowMs, state } from "../live/site";
import { Amount } from "../parts/Amount";
import { Fault } from "../parts/Fault";
import { Icon } from "../parts/icons";
import { useAnswer } from "../parts/useAnswer";
import { locale, text } from "../texts";
import { Downloads } from "./Downloads";
import { bounds, firstDay, isBefore, monthOf, shifted, type Month } from "./months";
import { sunPercent } from "./sources";

interface Page {
  readonly items: readonly ChargeSession[];
  readonly next_cursor: string | null;
}

/** Charge sessions, a month at a time, with its sums and its documents. */
export default function LogPage(): JSX.Element {
  const [month, setMonth] = useState<Month>(monthOf(new Date(nowMs.value)));
  const isNow = !isBefore(month, monthOf(new Date(nowMs.value)));
  const changed = lastEvent.value?.type.startsWith("session") ? JSON.stringify(lastEvent.value) : "";
  return (
    <div class="stack">
      <div class="row apart">
        <button class="round" type="button" onClick={() => setMonth(shifted(month, -1))} aria-label={text("log.month_before")}>
          <Icon name="back" />
        </button>
        <h1 class="month">{monthName(month)}</h1>
        <button class="round" type="button" disabled={isNow} onClick={() => setMonth(shifted(month, 1))} aria-label={text("log.month_after")}>
          <Icon name="forward" />
        </button>
      </div>
      <MonthOfSessions key={`${firstDay(month)} ${changed}`} month={month} />
      <Downloads month={month} />
    </div>
  );
}

function MonthOfSessions({ month }: { readonly month: Month }): JSX.Element {
  const query = new URLSearchParams({ ...bounds(month), limit: "50" });
  const { data, fault, isAsking, again } = useAnswer<Page>(`sessions?${query}`);
  const [more, setMore] = useState<Page | null>(null);
  const items = [...(data?.items ?? []), ...(more?.items ?? [])];
  const cursor = (more ?? data)?.next_cursor ?? null;
  async function load(): Promise<void> {
    const next = await ask<Page>(`sessions?${new URLSearchParams({ ...bounds(month), limit: "50", cursor: cursor ?? "" })}`);
    setMore((before) => ({ items: [...(before?.items ?? []), ...next.items], next_cursor: next.next_cursor }));
  }
  return (
    <>
      <Fault fault={fault} again={again} />
      <Head items={items} isWhole={cursor === null} />
      {!isAsking && items.length === 0 && fault === null && <p class="quiet">{text("log.none")}</p>}
      {items.length > 0 && (
        <ul class="list sheet">
          {items.map((session) => (
            <li key={session.id}>
              <Line session={session} />
            </li>
          ))}
        </ul>
      )}
      {cursor !== null && (
        <button class="plain-button" type="button" onClick={() => void load()}>
          {text("log.more")}
        </button>
      )}
    </>
  );
}

/** What the sessions that are shown sum up to; unknown as soon as one of them is. */
function Head({ items, isWhole }: { readonly items: readonly ChargeSession[]; readonly isWhole: boolean }): JSX.Element | null {
  if (items.length === 0 || !isWhole) return null;
  const wh = items.reduce<number | null>((sum, one) => (sum === null || one.energy_wh === null ? null : sum + one.energy_wh), 0);
  const priced = items.filter((one) => one.cost !== null);
  const cost = priced.reduce((sum, one) => sum + Number(one.cost?.amount), 0);
  const missing = items.length - priced.length;
  return (
    <dl class="facts sheet">
      <div>
        <dt>{text("log.sessions", { n: items.length })}</dt>
        <dd>{digits(items.length, 0)}</dd>
      </div>
      <div>
        <dt>{text("charge.energy")}</dt>
        <dd>
          <Amount of={energy(wh)} />
        </dd>
      </div>
      <div>
        <dt>{missing > 0 ? text("log.cost_without", { n: missing }) : text("charge.cost")}</dt>
        <dd>{money(priced.length > 0 ? cost : null, priced[0]?.cost?.currency)}</dd>
      </div>
    </dl>
  );
}

function Line({ session }: { readonly session: ChargeSession }): JSX.Element {
  const began = new Date(session.started_at);
  const day = new Intl.DateTimeFormat(locale(), { weekday: "short", day: "numeric" }).format(began);
  const time = new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(began);
  const point = state.value?.charge_points?.[session.charge_point]?.name ?? text("point.title", { id: session.charge_point });
  const sun = sunPercent(session);
  return (
    <a href={to("log", String(session.id))}>
      <span class="stack tight">
        <span>
          <b>{day}</b> {time}
          {session.ended_at === null && <span class="tag">{text("log.running")}</span>}
        </span>
        <span class="quiet small">{[session.user, session.vehicle, point].filter(Boolean).join(" · ")}</span>
      </span>
      <span class="stack tight end">
        <Amount of={energy(session.energy_wh)} />
        <span class="quiet small">
          {[sun === null ? "" : text("log.sun", { percent: Math.round(sun) }), session.cost ? money(Number(session.cost.amount), session.cost.currency) : ""].filter(Boolean).join(" · ")}
        </span>
      </span>
    </a>
  );
}

function monthName({ year, month }: Month): string {
  return new Intl.DateTimeFormat(locale(), { month: "long", year: "numeric" }).format(new Date(year, month - 1, 1));
}
