import { useState } from "preact/hooks";
import type { JSX, TargetedSubmitEvent } from "preact";

import { logIn, pair } from "../api/client";
import { asked, go, place } from "../app/router";
import { sentence } from "../parts/faults";
import { text } from "../texts";

/** Name and password, or the code that another phone shows. */
export function Login(): JSX.Element {
  const shown = place.value[0] === "pair" ? (asked.value.get("code") ?? place.value[1] ?? "") : "";
  const [isPairing, setPairing] = useState(place.value[0] === "pair");
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<unknown>(null);

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const of = (name: string): string => String(given.get(name) ?? "").trim();
    setBusy(true);
    setFault(null);
    try {
      await (isPairing ? pair(of("code")) : logIn(of("name"), String(given.get("password") ?? "")));
      if (place.value[0] === "pair") go();
    } catch (caught) {
      setFault(caught);
    }
    setBusy(false);
  }

  return (
    <main class="login">
      <img class="mark" src="assets/icon.svg" alt="" width="56" height="56" />
      <h1>{text("login.title")}</h1>
      <form class="stack" onSubmit={submit}>
        {isPairing ? (
          <label class="field">
            {text("login.pair_code")}
            <input name="code" defaultValue={shown} autocomplete="off" autocapitalize="off" spellcheck={false} required />
          </label>
        ) : (
          <>
            <label class="field">
              {text("login.name")}
              <input name="name" autocomplete="username" autocapitalize="off" spellcheck={false} maxLength={64} required />
            </label>
            <label class="field">
              {text("login.password")}
              <input name="password" type="password" autocomplete="current-password" maxLength={256} required />
            </label>
          </>
        )}
        {fault !== null && (
          <p class="fault" role="alert">
            {sentence(fault, isPairing ? { login_failed: "login.pair_failed" } : {})}
          </p>
        )}
        <button class="main-button" disabled={isBusy}>
          {text(isBusy ? "login.busy" : "login.submit")}
        </button>
      </form>
      {isPairing && <p class="quiet small">{text("login.hint")}</p>}
      <button class="text-button" type="button" onClick={() => {
          setPairing(!isPairing);
          setFault(null); // it was about the other way
        }}>
        {text(isPairing ? "login.back" : "login.pair")}
      </button>
    </main>
  );
}
