import type { JSX, TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";

import { ask } from "../api/client";
import { Fault } from "../parts/Fault";
import { useAction } from "../parts/useAction";
import { text } from "../texts";

/** A new password, with the old one; it ends all other logins. */
export function Password({ changed }: { readonly changed: () => void }): JSX.Element {
  const [isDone, setDone] = useState(false);
  const { isBusy, fault, run } = useAction();
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const body = { old_password: given.get("old"), new_password: given.get("new") };
    run(async () => {
      await ask("me/password", { method: "PUT", body });
      form.reset();
      setDone(true);
      changed();
    });
  };
  return (
    <details class="sheet">
      <summary>
        <h2>{text("me.password")}</h2>
      </summary>
      <form class="stack" onSubmit={submit}>
        <label class="field">
          {text("me.old_password")}
          <input name="old" type="password" autocomplete="current-password" maxLength={256} required />
        </label>
        <label class="field">
          {text("me.new_password")}
          <input name="new" type="password" autocomplete="new-password" minLength={10} maxLength={256} required />
        </label>
        <Fault fault={fault} here={{ login_failed: "me.password_wrong" }} />
        {isDone && fault === null && <p role="status">{text("me.password_done")}</p>}
        <button class="main-button" disabled={isBusy}>
          {text("common.save")}
        </button>
      </form>
    </details>
  );
}
