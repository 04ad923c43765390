import type { JSX, TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";

import { ask } from "../api/client";
import { askElevated } from "../api/elevated";
import type { components } from "../api/schema";
import type { Me } from "../api/types";
import { Fault } from "../parts/Fault";
import { Picture } from "../parts/Picture";
import { useAction } from "../parts/useAction";
import { text } from "../texts";

type Begun = components["schemas"]["TotpAnswer"];
type Codes = { readonly recovery_codes: readonly string[] };

/** The authenticator app: set up with a QR code, its recovery codes, and taken away again. */
export function SecondFactor({ me, changed }: { readonly me: Me; readonly changed: () => void }): JSX.Element {
  const [begun, setBegun] = useState<Begun | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const { isBusy, fault, run } = useAction();
  const begin = (): void => run(async () => setBegun(await askElevated<Begun>("me/totp", { method: "POST", body: {} })));
  const confirm = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get("code") ?? "").replace(/\s/g, "");
    run(async () => {
      const answer = await ask<Codes>("me/totp/confirm", { method: "POST", body: { code } });
      setBegun(null);
      setCodes(answer.recovery_codes);
      changed();
    });
  };
  const renew = (): void =>
    run(async () => {
      const answer = await askElevated<Codes>("me/totp/recovery-codes", { method: "POST", body: {} });
      if (answer !== null) setCodes(answer.recovery_codes);
      changed();
    });
  const remove = (): void =>
    run(async () => {
      if ((await askElevated("me/totp", { method: "DELETE" })) === null) return; // given up: the codes stay to be read
      setCodes(null);
      changed();
    });
  return (
    <section class="sheet stack">
      <h2>{text("me.totp")}</h2>
      <p class="quiet">{me.has_totp ? text("me.totp_on", { n: me.recovery_codes_left }) : text("me.totp_off")}</p>
      <Fault fault={fault} />
      {codes !== null && <Codes codes={codes} />}
      {begun !== null && (
        <form class="stack" onSubmit={confirm}>
          <p>{text("me.totp_scan")}</p>
          <Picture svg={begun.svg} alt={text("me.totp")} />
          <code class="secret">{begun.secret}</code>
          <input class="code" name="code" inputMode="numeric" autocomplete="one-time-code" aria-label={text("proof.code")} maxLength={12} required />
          <button class="main-button" disabled={isBusy}>
            {text("me.totp_confirm")}
          </button>
        </form>
      )}
      <div class="row wrap">
        {!me.has_totp && begun === null && (
          <button class="main-button" type="button" disabled={isBusy} onClick={begin}>
            {text("me.totp_begin")}
          </button>
        )}
        {me.has_totp && (
          <>
            <button class="plain-button" type="button" disabled={isBusy} onClick={renew}>
              {text("me.recovery_new")}
            </button>
            <button class="plain-button" type="button" disabled={isBusy} onClick={remove}>
              {text("me.totp_remove")}
            </button>
          </>
        )}
      </div>
    </section>
  );
}

function Codes({ codes }: { readonly codes: readonly string[] }): JSX.Element {
  return (
    <div class="stack" role="status">
      <p>{text("me.recovery_hint")}</p>
      <ul class="codes" aria-label={text("me.recovery")}>
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
    </div>
  );
}
