/** Numbers as people read them. Unknown is a dash, never 0. Pure, but for the language, which `texts` chooses. */
import { locale } from "../texts";

export const UNKNOWN = "–";

export interface Amount {
  readonly value: string;
  readonly unit: string;
}

/** Watts below 1 kW, else kilowatts with one digit: the eye compares widths, not digits. */
export function power(watts: number | null | undefined): Amount {
  if (watts === null || watts === undefined) return { value: UNKNOWN, unit: "kW" };
  const size = Math.abs(watts);
  if (size < 950) return { value: digits(Math.round(watts / 10) * 10, 0), unit: "W" };
  return { value: digits(watts / 1000, size < 99_500 ? 1 : 0), unit: "kW" };
}

export function energy(wattHours: number | null | undefined): Amount {
  if (wattHours === null || wattHours === undefined) return { value: UNKNOWN, unit: "kWh" };
  const kilo = wattHours / 1000;
  if (Math.abs(kilo) < 9_999.5) return { value: digits(kilo, Math.abs(kilo) < 99.95 ? 1 : 0), unit: "kWh" };
  return { value: digits(kilo / 1000, 1), unit: "MWh" };
}

export function percent(value: number | null | undefined): Amount {
  return { value: value === null || value === undefined ? UNKNOWN : digits(value, 0), unit: "%" };
}

export function ampere(value: number | null | undefined): Amount {
  return { value: value === null || value === undefined ? UNKNOWN : digits(value, Number.isInteger(value) ? 0 : 1), unit: "A" };
}

export function joined({ value, unit }: Amount): string {
  return `${value}\u202f${unit}`;
}

export function money(amount: number | null | undefined, currency = "EUR"): string {
  if (amount === null || amount === undefined) return UNKNOWN;
  return new Intl.NumberFormat(locale(), { style: "currency", currency }).format(amount);
}

export function digits(value: number, places: number): string {
  const shown = new Intl.NumberFormat(locale(), { minimumFractionDigits: places, maximumFractionDigits: places });
  return shown.format(Number(value.toFixed(places)) === 0 ? 0 : value);
}
