/**
 * The login of this browser: an access token for some minutes, and the refresh token that brings the next one.
 *
 * Both lie in this origin's storage, which all tabs share; no address and no other origin ever has them. Only one tab
 * refreshes at a time, and whoever waited takes what the other one got. A refresh whose answer was lost is asked again
 * with the same token, which the API allows for some seconds.
 */
import { signal } from "@preact/signals";

import { Problem, Unreachable } from "./problem";
import type { LoginAnswer } from "./types";

const KEY = "wallport.login";
const KEY_OF_REFRESH = "wallport.refresh-key";
const LAST = "wallport.last-token";
const LOCK = "wallport.refresh";
const EARLY_MS = 30_000; // a token that ends while its request is under way would be refused
const TRIES = 3;
const PAUSE_MS = 500;

export interface Login {
  readonly access: string;
  readonly refresh: string;
  /** Of this device's clock. */
  readonly endsAtMs: number;
  readonly user: string;
  readonly role: "viewer" | "driver" | "admin";
}

export const login = signal<Login | null>(stored());

globalThis.window?.addEventListener("storage", (event: StorageEvent) => {
  if (event.key === KEY || event.key === null) login.value = stored();
});

export function keep(answer: LoginAnswer): void {
  const { access_token: access, refresh_token: refresh, expires_in_s: seconds, user } = answer;
  put({ access, refresh, endsAtMs: Date.now() + seconds * 1000, user: user.name, role: user.role });
}

/** The last token of a login that ended by itself: it opens nothing, and tells the home that it knows this device. */
export function lastToken(): string | null {
  return localStorage.getItem(LAST);
}

export function forget(): void {
  if (login.value !== null) localStorage.setItem(LAST, login.value.access);
  localStorage.removeItem(KEY);
  localStorage.removeItem(KEY_OF_REFRESH);
  login.value = null;
}

/** An access token that is still good; null when nobody is logged in any more. Throws Unreachable. */
export async function accessToken(isRefused?: string): Promise<string | null> {
  const known = login.value;
  if (known === null) return null;
  if (known.access !== isRefused && known.endsAtMs - EARLY_MS > Date.now()) return known.access;
  return oneAtATime(async () => {
    const now = stored();
    if (now === null) {
      login.value = null;
      return null;
    }
    if (now.access !== known.access) {
      login.value = now;
      return now.access;
    }
    return refreshed(now);
  });
}

async function refreshed(known: Login): Promise<string | null> {
  // Names this refresh, so that its answer can be had again on another network; kept for a reload in its midst.
  const key = localStorage.getItem(KEY_OF_REFRESH) ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  localStorage.setItem(KEY_OF_REFRESH, key);
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await fetch("api/v1/auth/refresh", {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": key },
        body: JSON.stringify({ refresh_token: known.refresh }),
        signal: AbortSignal.timeout(15_000),
      });
      if (answer.ok) {
        keep((await answer.json()) as LoginAnswer);
        return login.value?.access ?? null;
      }
      if (answer.status === 401) {
        forget();
        return null;
      }
      if (answer.status < 500) throw new Problem(await answer.json(), answer.status);
    } catch (fault) {
      if (fault instanceof Problem) throw fault;
    }
    if (attempt === TRIES) throw new Unreachable();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt));
  }
}

/** Web Locks exist in secure contexts alone; on plain HTTP at home two tabs may both ask, within the API's grace. */
function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
  if (!("locks" in navigator)) {
    waiting = waiting.then(work, work);
    return waiting as Promise<T>;
  }
  return navigator.locks.request(LOCK, work) as Promise<T>;
}

let waiting: Promise<unknown> = Promise.resolve();

function put(next: Login): void {
  localStorage.removeItem(KEY_OF_REFRESH);
  localStorage.setItem(KEY, JSON.stringify(next));
  login.value = next;
}

function stored(): Login | null {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "null") as Login | null;
  } catch {
    return null;
  }
}
