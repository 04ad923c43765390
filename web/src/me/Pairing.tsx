import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { askElevated } from "../api/elevated";
import type { components } from "../api/schema";
import { Fault } from "../parts/Fault";
import { Picture } from "../parts/Picture";
import { useAction } from "../parts/useAction";
import { text } from "../texts";

type Shown = components["schemas"]["PairingAnswer"];

/** A code that logs another phone in, once. */
export function Pairing(): JSX.Element {
  const [shown, setShown] = useState<Shown | null>(null);
  const { isBusy, fault, run } = useAction();
  const begin = (): void => run(async () => setShown(await askElevated<Shown>("auth/pairing", { method: "POST", body: {} })));
  return (
    <section class="sheet stack">
      <h2>{text("me.pair")}</h2>
      <Fault fault={fault} />
      {shown === null ? (
        <button class="main-button" type="button" disabled={isBusy} onClick={begin}>
          {text("me.pair_begin")}
        </button>
      ) : (
        <>
          <p class="quiet">{text("me.pair_hint")}</p>
          <Picture svg={shown.svg} alt={text("me.pair")} />
          <code class="secret">{shown.secret}</code>
          <button class="plain-button" type="button" onClick={() => setShown(null)}>
            {text("common.close")}
          </button>
        </>
      )}
    </section>
  );
}
