/**
 * The one store of the page: the site's state as last heard, how fresh it is, and what became of commands.
 *
 * Fed by `connection.ts`; the last state is kept on this device, so that it can be read, with its age, without a network.
 */
import { computed, effect, signal } from "@preact/signals";

import { login } from "../api/login";
import type { Command, LiveEvent, LiveMessage, SiteState } from "../api/types";
import { changed } from "./apply";

const KEY = "wallport.state";
const KEEP_EVERY_MS = 15_000;

interface Kept {
  readonly user: string;
  readonly heardAtMs: number;
  readonly state: SiteState;
}

export type Connection = "connecting" | "live" | "offline";

const kept = stored();

export const state = signal<SiteState | null>(kept?.state ?? null);
export const connection = signal<Connection>("connecting");
/** When the last word came from the site, in this device's milliseconds; null: never. */
export const heardAtMs = signal<number | null>(kept?.heardAtMs ?? null);
/** A clock for ages, which ticks only as often as a person would notice. */
export const nowMs = signal(Date.now());
/** The newest word about each command of this page. */
export const commands = signal<ReadonlyMap<string, Command>>(new Map());
/** The last event that changed no value, for whoever shows a list of them. */
export const lastEvent = signal<LiveEvent | null>(null);

/** Whether what is shown is the present: told by the site, and vouched for by the wallbox. */
export const freshness = computed<"fresh" | "stale" | "away" | "none">(() => {
  if (state.value === null) return "none";
  if (connection.value !== "live") return "away";
  return state.value.is_stale ? "stale" : "fresh";
});

const MOST_COMMANDS = 50;

export function told(message: LiveMessage): void {
  heardAtMs.value = nowMs.value = Date.now();
  if (message.type === "snapshot") {
    state.value = message.state;
  } else if (message.type === "change") {
    if (state.value !== null) state.value = changed(state.value, message.changes, message.occurred_at);
  } else {
    lastEvent.value = message.event;
    if (message.event.type === "command") noteCommand(message.event.command);
  }
}

export function noteCommand(command: Command): void {
  const next = new Map(commands.value);
  next.delete(command.id);
  next.set(command.id, command);
  for (const id of [...next.keys()].slice(0, Math.max(0, next.size - MOST_COMMANDS))) next.delete(id);
  commands.value = next;
}

let savedAtMs = 0;

effect(() => {
  const now = state.value;
  if (login.value === null) {
    state.value = null;
    return;
  }
  if (now === null || heardAtMs.value === null || Date.now() - savedAtMs < KEEP_EVERY_MS) return;
  savedAtMs = Date.now();
  const kept: Kept = { user: login.value.user, heardAtMs: heardAtMs.value, state: now };
  localStorage.setItem(KEY, JSON.stringify(kept));
});

setInterval(() => {
  if (!document.hidden) nowMs.value = Date.now();
}, 5_000);

function stored(): Kept | null {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "null") as Kept | null;
    return found !== null && found.user === login.value?.user ? found : null;
  } catch {
    return null;
  }
}
