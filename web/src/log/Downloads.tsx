import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { download } from "../api/client";
import { Fault } from "../parts/Fault";
import { language, text } from "../texts";
import { bounds, type Month } from "./months";

const KINDS = ["pdf", "xlsx", "csv"] as const;

/** The month that is shown as a document: two taps from the page to the file. */
export function Downloads({ month }: { readonly month: Month }): JSX.Element {
  const [busy, setBusy] = useState<string | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  async function get(kind: (typeof KINDS)[number]): Promise<void> {
    setBusy(kind);
    setFault(null);
    try {
      const { blob, name } = await download(`sessions.${kind}?${new URLSearchParams({ ...bounds(month), lang: language.value })}`);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (caught) {
      setFault(caught);
    }
    setBusy(null);
  }
  return (
    <section class="stack">
      <h2>{text("log.download")}</h2>
      <div class="row">
        {KINDS.map((kind) => (
          <button key={kind} class={kind === "pdf" ? "main-button" : "plain-button"} type="button" disabled={busy !== null} onClick={() => void get(kind)}>
            {busy === kind ? "…" : kind === "xlsx" ? "Excel" : kind.toUpperCase()}
          </button>
        ))}
      </div>
      <Fault fault={fault} />
    </section>
  );
}
