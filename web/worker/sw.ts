/**
 * The service worker. It keeps the page's own files, never an answer of the API: values live in the page's store.
 *
 * Files under assets/ bear a digest of their content in their names and never change; the page itself is asked for first,
 * and taken from here only when nobody answers in time. What no newest page names any more is forgotten.
 */


declare const self: ServiceWorkerGlobalScope;
export {};

const CACHE = "wallport-page";
const PATIENCE_MS = 3_000; // a page from here now is better than one from a bad line later

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const scope = new URL(self.registration.scope);
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (request.mode === "navigate" && path === "") event.respondWith(page(request));
  else if (path.startsWith("assets/")) event.respondWith(asset(request));
});

async function page(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(self.registration.scope);
  try {
    const answer = await fetch(request, kept ? { signal: AbortSignal.timeout(PATIENCE_MS) } : {});
    if (answer.ok) {
      const text = await answer.clone().text();
      await cache.put(self.registration.scope, answer.clone());
      await forgetOthers(cache, text);
    }
    return answer.status >= 500 && kept ? kept : answer;
  } catch {
    return kept ?? Response.error();
  }
}

async function asset(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}

/** Assets of the page before are kept as long as one page may be open with them: until the page after the next. */
async function forgetOthers(cache: Cache, text: string): Promise<void> {
  const entries = /assets\/index-[\w-]+\.js/.exec(text)?.[0];
  const last = await cache.match("last-entry");
  const before = last ? await last.text() : "";
  if (!entries || before === entries) return;
  await cache.put("last-entry", new Response(entries));
  if (before === "") return;
  for (const request of await cache.keys()) {
    if (new URL(request.url).pathname.includes("/assets/") && !text.includes(request.url.split("/assets/")[1] ?? "")) {
      await cache.delete(request);
    }
  }
}
