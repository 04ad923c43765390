/** The times that the history shows: a day, a month by days, a year by months. Pure. */

export type Span = "day" | "month" | "year";

export interface Shown {
  readonly span: Span;
  readonly year: number;
  /** 1 to 12; of no meaning in a year. */
  readonly month: number;
  readonly day: number;
}

export function at(span: Span, date: Date): Shown {
  return { span, year: date.getFullYear(), month: date.getMonth() + 1, day: date.getDate() };
}

export function shifted({ span, year, month, day }: Shown, by: number): Shown {
  const moved = new Date(year + (span === "year" ? by : 0), month - 1 + (span === "month" ? by : 0), span === "day" ? day + by : 1);
  return at(span, moved);
}

/** As `from` and `to` of the API, which stand for the site's midnights; `to` is not included. */
export function bounds(shown: Shown): { readonly from: string; readonly to: string } {
  const first = { ...shown, month: shown.span === "year" ? 1 : shown.month, day: shown.span === "day" ? shown.day : 1 };
  return { from: text(first), to: text(shifted(first, 1)) };
}

/** What the bars of a span stand for, as the API's `by`. */
export const STEP = { month: "day", year: "month" } as const;

export function isNow(shown: Shown, now: Date): boolean {
  return bounds(shown).from === bounds(at(shown.span, now)).from;
}

function text({ year, month, day }: Shown): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}
