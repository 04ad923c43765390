import type { JSX } from "preact";
import { lazy, Suspense } from "preact/compat";
import { useState } from "preact/hooks";

import { nowMs } from "../live/site";
import { Icon } from "../parts/icons";
import { locale, text } from "../texts";
import { Bars } from "./Bars";
import { at, isNow, shifted, type Shown, type Span } from "./periods";
import { Sums } from "./Sums";

const DayChart = lazy(() => import("./DayChart"));

const SPANS: readonly Span[] = ["day", "month", "year"];

/** What was: a day as lines, a month and a year as bars by source and use, with three numbers that say it all. */
export default function HistoryPage(): JSX.Element {
  const now = new Date(nowMs.value);
  const [shown, setShown] = useState<Shown>(at("day", now));
  return (
    <div class="stack">
      <div class="choice" role="group" aria-label={text("nav.history")}>
        {SPANS.map((span) => (
          <button key={span} type="button" aria-pressed={shown.span === span} onClick={() => setShown({ ...shown, span })}>
            {text(`history.${span}`)}
          </button>
        ))}
      </div>
      <div class="row apart">
        <button class="round" type="button" onClick={() => setShown(shifted(shown, -1))} aria-label={text("history.before")}>
          <Icon name="back" />
        </button>
        <h1 class="month">{nameOf(shown)}</h1>
        <button class="round" type="button" disabled={isNow(shown, now)} onClick={() => setShown(shifted(shown, 1))} aria-label={text("history.after")}>
          <Icon name="forward" />
        </button>
      </div>
      <Sums shown={shown} />
      <section class="sheet">
        {shown.span === "day" ? (
          <Suspense fallback={<div class="chart-room" />}>
            <DayChart shown={shown} />
          </Suspense>
        ) : (
          <Bars shown={shown} onOpen={(from) => setShown({ ...at(shown.span === "year" ? "month" : "day", from) })} />
        )}
      </section>
    </div>
  );
}

function nameOf({ span, year, month, day }: Shown): string {
  const formats: Readonly<Record<Span, Intl.DateTimeFormatOptions>> = {
    day: { weekday: "short", day: "numeric", month: "long" },
    month: { month: "long", year: "numeric" },
    year: { year: "numeric" },
  };
  return new Intl.DateTimeFormat(locale(), formats[span]).format(new Date(year, month - 1, day));
}
