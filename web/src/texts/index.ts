/**
 * The words of the page, from one file a language: `{name}` takes a parameter, and a text may have plural forms by `n`.
 *
 * German and English are there; a third language is one more file, named in LANGUAGES. The types hold them alike: a key
 * that one language lacks breaks the build.
 */
import { signal } from "@preact/signals";

import de from "./de.json";
import en from "./en.json";

type Entry = string | { readonly one: string; readonly other: string };
export type Key = keyof typeof en;

const LANGUAGES: Readonly<Record<string, Readonly<Record<Key, Entry>>>> = { de, en };
const KEPT = "wallport.language";

export const language = signal(chosen());

/** What numbers and dates are written by: the region of the device where it speaks the language. */
export function locale(): string {
  return navigator.languages?.find((one) => one.split("-")[0] === language.value) ?? language.value;
}

export function text(key: Key, parameters: Readonly<Record<string, string | number>> = {}): string {
  const entry: Entry = (LANGUAGES[language.value] ?? en)[key];
  const form = typeof entry === "string" ? entry : entry[pluralOf(Number(parameters["n"]))];
  return form.replace(/\{(\w+)\}/g, (_whole, name: string) => String(parameters[name] ?? ""));
}

export function has(key: string): key is Key {
  return key in en;
}

export function speak(next: string): void {
  localStorage.setItem(KEPT, next);
  language.value = next;
  document.documentElement.lang = next;
}

export const languages = Object.keys(LANGUAGES);

function pluralOf(n: number): "one" | "other" {
  return new Intl.PluralRules(language.value).select(n) === "one" ? "one" : "other";
}

function chosen(): string {
  const kept = globalThis.localStorage?.getItem(KEPT);
  const wanted = kept ? [kept] : (globalThis.navigator?.languages ?? []);
  const found = wanted.map((one) => one.split("-")[0] ?? "").find((one) => one in LANGUAGES) ?? "en";
  if (globalThis.document) document.documentElement.lang = found;
  return found;
}
