/** Requests to the API: with the login's token, JSON in and out, and Problem or Unreachable where it fails. */
import { accessToken, forget, keep, lastToken } from "./login";
import { Problem, Unreachable } from "./problem";
import type { LoginAnswer } from "./types";

const PATIENCE_MS = 30_000; // the API itself answers within 20 s, and a phone's line may take its time

const TOKEN_CODES = new Set(["login_required", "invalid_token"]); // a wrong password is a 401, too, but no new token helps

export interface Asked {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly patienceMs?: number;
}

export async function ask<T>(path: string, asked: Asked = {}): Promise<T> {
  const answer = await send(path, asked);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** The answer as a file, such as a PDF. */
export async function download(path: string): Promise<{ readonly blob: Blob; readonly name: string }> {
  const answer = await send(path, {});
  const named = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "");
  return { blob: await answer.blob(), name: named?.[1] ?? "wallport" };
}

export async function logIn(username: string, password: string): Promise<void> {
  const body = { username, password, device_name: deviceName() };
  const known = lastToken(); // strangers who guess keep a device that brings one not waiting
  const headers = known === null ? {} : { Authorization: `Bearer ${known}` };
  keep(await ask<LoginAnswer>("auth/login", { method: "POST", body, headers }));
}

export async function pair(secret: string): Promise<void> {
  keep(await ask<LoginAnswer>("auth/pair", { method: "POST", body: { secret, device_name: deviceName() } }));
}

/** Ends the login at home too, where it can be reached; here in any case, with all that was kept. */
export async function logOut(): Promise<void> {
  try {
    await ask("auth/logout", { method: "POST", body: {} });
  } catch {
    // It ends by itself; this device forgets it now.
  }
  forget();
  localStorage.clear();
  if ("caches" in globalThis) for (const name of await caches.keys()) await caches.delete(name);
}

async function send(path: string, asked: Asked): Promise<Response> {
  const isOpen = path.startsWith("auth/login") || path.startsWith("auth/pair") && !path.startsWith("auth/pairing");
  let refused: string | undefined;
  for (;;) {
    const token = isOpen ? null : await accessToken(refused);
    const answer = await once(path, asked, token);
    if (answer.ok) return answer;
    const problem = new Problem(await bodyOf(answer), answer.status);
    if (token === null || refused !== undefined || !TOKEN_CODES.has(problem.code)) throw problem;
    refused = token;
  }
}

async function once(path: string, asked: Asked, token: string | null): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...asked.headers };
  if (token !== null) headers["Authorization"] = `Bearer ${token}`;
  if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  const patience = AbortSignal.timeout(asked.patienceMs ?? PATIENCE_MS);
  try {
    return await fetch(`api/v1/${path}`, {
      method: asked.method ?? "GET",
      headers,
      body: asked.body === undefined ? null : JSON.stringify(asked.body),
      signal: asked.signal ? AbortSignal.any([asked.signal, patience]) : patience,
      cache: "no-store",
    });
  } catch (fault) {
    if (asked.signal?.aborted) throw fault;
    throw new Unreachable();
  }
}

async function bodyOf(answer: Response): Promise<Record<string, never>> {
  try {
    return (await answer.json()) as Record<string, never>;
  } catch {
    return {};
  }
}

function deviceName(): string {
  const system = /iPhone|iPad|Android|Windows|Mac OS|Linux/.exec(navigator.userAgent)?.[0] ?? "";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(navigator.userAgent)?.[0]?.replace("Edg", "Edge") ?? "Browser";
  return system ? `${browser}, ${system}` : browser;
}
