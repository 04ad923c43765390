import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ask } from "../api/client";
import type { ChargeSession } from "../api/types";
import { energy, money, percent } from "../format/numbers";
import { moment } from "../format/times";
import { lastEvent, nowMs } from "../live/site";
import { Amount } from "../parts/Amount";
import { sunPercent } from "../log/sources";
import { text } from "../texts";

const ASK_EVERY_MS = 60_000; // a running session is stored once a minute

/** The running charge session: energy, its sun share, and what it cost so far. */
export function ThisCharge({ id }: { readonly id: string }): JSX.Element | null {
  const [session, setSession] = useState<ChargeSession | null>(null);
  const event = lastEvent.value;
  const changedBy = event?.type.startsWith("session") ? JSON.stringify(event) : "";
  const minute = Math.floor(nowMs.value / ASK_EVERY_MS);
  useEffect(() => {
    const gone = new AbortController();
    const query = new URLSearchParams({ charge_point: id, limit: "1" });
    ask<{ readonly items: readonly ChargeSession[] }>(`sessions?${query}`, { signal: gone.signal })
      .then(({ items }) => setSession(items[0]?.ended_at === null ? items[0] : null))
      .catch(() => undefined); // what was known stays; the page's head says if nobody answers
    return () => gone.abort();
  }, [id, changedBy, minute]);
  if (session === null) return null;
  const since = text("charge.since", { at: moment(new Date(session.started_at), new Date(nowMs.value)) });
  return (
    <section class="sheet stack">
      <div class="row apart">
        <h2>{text("charge.title")}</h2>
        <span class="quiet small">
          {since}
          {session.user !== null && ` · ${text("charge.by", { user: session.user })}`}
        </span>
      </div>
      <dl class="facts">
        <div>
          <dt>{text("charge.energy")}</dt>
          <dd>
            <Amount of={energy(session.energy_wh)} />
          </dd>
        </div>
        <div>
          <dt>{text("charge.sun")}</dt>
          <dd>
            <Amount of={percent(sunPercent(session))} />
          </dd>
        </div>
        <div>
          <dt>{text("charge.cost")}</dt>
          <dd>{money(session.cost === null ? null : Number(session.cost.amount), session.cost?.currency)}</dd>
        </div>
      </dl>
    </section>
  );
}
