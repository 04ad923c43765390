import type { JSX, TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";

import { ask } from "../api/client";
import { askElevated } from "../api/elevated";
import type { components } from "../api/schema";
import { Fault } from "../parts/Fault";
import { useAction } from "../parts/useAction";
import { useAnswer } from "../parts/useAnswer";
import { text } from "../texts";

type Token = components["schemas"]["ApiTokenShape"];
type Made = components["schemas"]["ApiTokenAnswer"];

const DAYS = 365; // the longest that the API gives

/** Tokens for programs such as Home Assistant: shown once, ended at once. */
export function Tokens(): JSX.Element {
  const { data, fault, again } = useAnswer<{ readonly items: readonly Token[] }>("me/api-tokens");
  const [made, setMade] = useState<Made | null>(null);
  const action = useAction();
  const make = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const scopes = given.get("may") === "control" ? ["read", "control"] : ["read"];
    action.run(async () => {
      const body = { name: given.get("name"), scopes, expires_in_days: DAYS };
      setMade(await askElevated<Made>("me/api-tokens", { method: "POST", body }));
      form.reset();
      again();
    });
  };
  const end = (token: Token): void =>
    action.run(async () => {
      await ask(`me/api-tokens/${encodeURIComponent(token.id)}`, { method: "DELETE" });
      setMade((shown) => (shown?.id === token.id ? null : shown));
      again();
    });
  return (
    <details class="sheet">
      <summary>
        <h2>{text("me.tokens")}</h2>
      </summary>
      <div class="stack">
        <Fault fault={fault ?? action.fault} again={again} />
        {data?.items.length === 0 && <p class="quiet">{text("me.none")}</p>}
        <ul class="list">
          {data?.items.map((token) => (
            <li key={token.id}>
              <span class="row">
                <span class="stack tight">
                  <span>{token.name}</span>
                  <span class="quiet small">{text(token.scopes.includes("control") ? "me.token_control" : "me.token_read")}</span>
                </span>
                <button class="text-button" type="button" disabled={action.isBusy} onClick={() => end(token)}>
                  {text("me.end")}
                </button>
              </span>
            </li>
          ))}
        </ul>
        {made !== null && (
          <div class="stack" role="status">
            <p>{text("me.token_shown")}</p>
            <code class="secret">{made.token}</code>
          </div>
        )}
        <form class="stack" onSubmit={make}>
          <label class="field">
            {text("me.token_name")}
            <input name="name" maxLength={64} required />
          </label>
          <select class="plain-select" name="may" aria-label={text("me.tokens")}>
            <option value="read">{text("me.token_read")}</option>
            <option value="control">{text("me.token_control")}</option>
          </select>
          <button class="plain-button" disabled={action.isBusy}>
            {text("me.token_make")}
          </button>
        </form>
      </div>
    </details>
  );
}
