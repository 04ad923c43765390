import type { JSX, TargetedSubmitEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { question } from "../api/elevated";
import { text } from "../texts";
import { sentence } from "./faults";

/** Asks for the code or the password that an action needs, where the action is, and then the action goes on. */
export function ProofDialog(): JSX.Element | null {
  const asked = question.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asked !== null && dialog.current?.open === false) dialog.current.showModal();
  }, [asked]);
  if (asked === null) return null;
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    asked.answer(String(new FormData(event.currentTarget).get("proof") ?? "").replace(/\s/g, asked.proof === "code" ? "" : "$&"));
  };
  const isCode = asked.proof === "code";
  return (
    <dialog ref={dialog} class="ask" onCancel={() => asked.answer(null)} aria-labelledby="proof-title">
      <form class="stack" onSubmit={submit}>
        <h2 id="proof-title">{text(isCode ? "proof.code_title" : "proof.password_title")}</h2>
        <p class="quiet">{text(isCode ? "proof.code_hint" : "proof.password_hint")}</p>
        {isCode ? (
          <input class="code" name="proof" inputMode="numeric" autocomplete="one-time-code" required autofocus maxLength={40} aria-label={text("proof.code")} />
        ) : (
          <input class="code" name="proof" type="password" autocomplete="current-password" required autofocus maxLength={256} aria-label={text("login.password")} />
        )}
        {asked.fault !== null && (
          <p class="fault" role="alert">
            {sentence(asked.fault, { login_failed: "me.password_wrong" })}
          </p>
        )}
        <div class="row">
          <button class="main-button" key="go">
            {text("proof.go_on")}
          </button>
          <button class="plain-button" type="button" onClick={() => asked.answer(null)}>
            {text("common.cancel")}
          </button>
        </div>
      </form>
    </dialog>
  );
}
