import { expect, test } from "vitest";

import de from "./de.json";
import en from "./en.json";

const LANGUAGES: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [["de", de]];

test.each(LANGUAGES)("%s has every text that English has, with the same parameters, and no other", (_name, texts) => {
  expect(Object.keys(texts).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const parameters = (entry: unknown): readonly string[] => [...new Set(JSON.stringify(entry).match(/\{\w+\}/g) ?? [])].sort();
    const isPlural = typeof text !== "string";
    if (!isPlural) expect([key, ...parameters(texts[key])]).toEqual([key, ...parameters(text)]);
    expect(typeof texts[key]).toBe(typeof text);
  }
});
