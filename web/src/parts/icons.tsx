/** The icons of the page, drawn for it: 24 by 24, one stroke. */
import type { JSX } from "preact";

const PATHS = {
  now: "M13 2.5 5 13.5h6l-1 8 8-11h-6z",
  history: "M4 20V10m5.3 10V4m5.4 16v-7m5.3 7V7",
  log: "M6 3.5h9l4 4v13H6zM14.5 3.5v4.5H19M9.5 12.5h6m-6 4h6",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  back: "m14.5 5-7 7 7 7",
  forward: "m9.5 5 7 7-7 7",
  lock: "M6 11h12v9H6zm2.5 0V8a3.5 3.5 0 0 1 7 0v3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <path d={PATHS[name]} stroke-width={name === "more" ? 3.2 : undefined} />
    </svg>
  );
}
