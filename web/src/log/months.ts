/** Months and days as the API's `from` and `to`: the site's midnights. Pure. */

export interface Month {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
}

export function monthOf(date: Date): Month {
  return { year: date.getFullYear(), month: date.getMonth() + 1 };
}

export function shifted({ year, month }: Month, by: number): Month {
  const all = year * 12 + month - 1 + by;
  return { year: Math.floor(all / 12), month: (((all % 12) + 12) % 12) + 1 };
}

export function firstDay({ year, month }: Month): string {
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-01`;
}

/** `from` and `to` of the whole month; the API's `to` is not included. */
export function bounds(month: Month): { readonly from: string; readonly to: string } {
  return { from: firstDay(month), to: firstDay(shifted(month, 1)) };
}

export function isBefore(one: Month, other: Month): boolean {
  return one.year * 12 + one.month < other.year * 12 + other.month;
}
