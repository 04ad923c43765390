/** What went wrong, as a sentence in the reader's language; the API's own words only where there is no better one. */
import { codeOf, Problem } from "../api/problem";
import { has, type Key, language, text } from "../texts";

/** `here` has other words for codes that mean something narrower where they are shown. */
export function sentence(fault: unknown, here: Readonly<Record<string, Key>> = {}): string {
  const code = codeOf(fault);
  const narrower = here[code];
  if (narrower !== undefined) return text(narrower);
  const key = `fault.${code}`;
  const said = fault instanceof Problem ? [fault.detail, ...fault.faults.map((one) => `${one.field}: ${one.message}`)] : [];
  const detail = said.filter(Boolean).join("; ");
  if (has(key)) return code === "invalid_input" && detail ? `${text(key)} ${detail}` : text(key);
  return language.value === "en" && detail ? detail : text("fault.unknown", { code });
}
