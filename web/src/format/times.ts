/** Instants and durations as people read them, in this device's time zone. */
import { locale, text } from "../texts";

const DAY_MS = 86_400_000;

export function timeOfDay(at: Date): string {
  return new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(at);
}

/** "16:40" today, "Mon 16:40" within a week, else with the date. */
export function moment(at: Date, now: Date): string {
  if (at.toDateString() === now.toDateString()) return timeOfDay(at);
  const isNear = Math.abs(at.getTime() - now.getTime()) < 6 * DAY_MS;
  const day: Intl.DateTimeFormatOptions = isNear ? { weekday: "short" } : { day: "numeric", month: "short" };
  if (at.getFullYear() !== now.getFullYear()) day.year = "numeric";
  return new Intl.DateTimeFormat(locale(), { ...day, hour: "2-digit", minute: "2-digit" }).format(at);
}

/** "5 s", "12 min", "3 h", "2 days": how long ago, in the largest unit that says enough. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return text("age.seconds", { n: seconds });
  if (seconds < 3_600) return text("age.minutes", { n: Math.round(seconds / 60) });
  if (seconds < 86_400) return text("age.hours", { n: Math.round(seconds / 3_600) });
  return text("age.days", { n: Math.round(seconds / 86_400) });
}

/** "1:05 h". */
export function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}\u202fh`;
}
