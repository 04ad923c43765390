/** The service worker: keeps the page itself on this device, so that it opens without a network. */

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

const SCRIPT = "sw.js";

export async function serveOffline(): Promise<void> {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  // The page's policy allows this one script address and no other.
  const policy = types?.createPolicy("wallport", {
    createScriptURL(url) {
      if (url !== SCRIPT) throw new TypeError("no such script");
      return url;
    },
  });
  try {
    await navigator.serviceWorker.register(policy?.createScriptURL(SCRIPT) ?? SCRIPT);
  } catch {
    // Private windows refuse it; the page works without.
  }
}
