/**
 * The one live connection of this page: a snapshot, then changes and events, resumed by number after each break.
 *
 * Feeds `site.ts`. It pauses while the page is hidden, since a phone closes sockets then anyway, and comes back with the
 * number it knows, so that nothing is missed and nothing is asked twice.
 */
import { ask } from "../api/client";
import { Problem } from "../api/problem";
import { login } from "../api/login";
import type { LiveMessage } from "../api/types";
import { connection, told } from "./site";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 20_000;
const SILENT_MS = 35_000; // the wallbox reports every 10 s; a line without a word for so long is dead, or asked anew

let socket: WebSocket | null = null;
let seq: number | null = null;
let pauseMs = FIRST_PAUSE_MS;
let again: ReturnType<typeof setTimeout> | undefined;
let silence: ReturnType<typeof setTimeout> | undefined;

export function connect(): void {
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : hurry()));
  addEventListener("online", hurry);
  addEventListener("offline", () => drop("offline"));
  login.subscribe((known) => (known === null ? stop() : hurry()));
}

function stop(): void {
  seq = null;
  drop("offline");
}

function rest(): void {
  clearTimeout(again);
  socket?.close();
}

function hurry(): void {
  pauseMs = FIRST_PAUSE_MS;
  clearTimeout(again);
  if (socket === null && login.value !== null && !document.hidden) void open();
}

async function open(): Promise<void> {
  connection.value = "connecting";
  try {
    const { ticket } = await ask<{ readonly ticket: string }>("auth/ticket", { method: "POST", body: {} });
    if (socket !== null || document.hidden) return;
    listen(ticket);
  } catch (fault) {
    if (fault instanceof Problem && fault.status === 401) return;
    retry();
  }
}

function listen(ticket: string): void {
  const query = new URLSearchParams({ ticket, ...(seq === null ? {} : { since: String(seq) }) });
  const address = new URL(`api/v1/live?${query}`, document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(address);
  socket = mine;
  mine.onmessage = ({ data }) => {
    if (socket !== mine) return;
    const message = JSON.parse(data as string) as LiveMessage;
    pauseMs = FIRST_PAUSE_MS;
    seq = message.seq;
    connection.value = "live";
    told(message);
    watch();
  };
  mine.onclose = () => {
    if (socket !== mine) return;
    socket = null;
    retry();
  };
  watch();
}

function watch(): void {
  clearTimeout(silence);
  silence = setTimeout(() => drop("connecting"), SILENT_MS);
}

/** Give the connection up; another one is tried unless the page rests. */
function drop(shown: "offline" | "connecting"): void {
  clearTimeout(silence);
  const last = socket;
  socket = null;
  last?.close();
  connection.value = shown;
  if (shown === "connecting") retry();
}

function retry(): void {
  clearTimeout(silence);
  clearTimeout(again);
  if (login.value === null) return;
  connection.value = "offline";
  if (document.hidden) return;
  again = setTimeout(() => void open(), pauseMs * (0.5 + Math.random() / 2));
  pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
}

