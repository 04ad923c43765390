/** Where the page is: the part of the address behind `#`, which no server sees and no server must know. */
import { computed, signal } from "@preact/signals";

import { decoded } from "./decoded";

const address = signal(read());

addEventListener("hashchange", () => {
  address.value = read();
  scrollTo(0, 0);
});

/** The address in pieces: `#/charging/1?x=2` is ["charging", "1"]. */
export const place = computed<readonly string[]>(() =>
  (address.value.split("?")[0] ?? "").split("/").filter(Boolean).map(decoded),
);

/** What stands behind `?` of the address. */
export const asked = computed(() => new URLSearchParams(address.value.split("?")[1] ?? ""));

export function to(...pieces: readonly string[]): string {
  return `#/${pieces.map(encodeURIComponent).join("/")}`;
}

export function go(...pieces: readonly string[]): void {
  location.hash = to(...pieces);
}

function read(): string {
  return location.hash.replace(/^#/, "");
}
