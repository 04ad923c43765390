/** What went wrong, as a sentence in the reader's language; the API's own words only where there is no better one. */
import { codeOf, Problem } from "../api/problem";
import { has, language, text } from "../texts";

export function sentence(fault: unknown): string {
  const code = codeOf(fault);
  const key = `fault.${code}`;
  const said = fault instanceof Problem ? [fault.detail, ...fault.faults.map((one) => `${one.field}: ${one.message}`)] : [];
  const detail = said.filter(Boolean).join("; ");
  if (has(key)) return code === "invalid_input" && detail ? `${text(key)} ${detail}` : text(key);
  return language.value === "en" && detail ? detail : text("fault.unknown", { code });
}
