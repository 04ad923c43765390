import type { JSX } from "preact";

import { login } from "../api/login";
import type { ChargePoint } from "../api/types";
import { text } from "../texts";
import { outcomeOf, wish } from "./wish";

/** The modes that this wallbox has at this charge point; the pressed one is what the wallbox says, not what was tapped. */
export function Modes({ id, point }: { readonly id: string; readonly point: ChargePoint }): JSX.Element | null {
  const modes = point.capabilities?.modes ?? [];
  if (modes.length === 0) return null;
  const outcome = outcomeOf(id, "mode");
  const pending = outcome.is === "pending" ? outcome.body.mode : undefined;
  const mayChange = login.value?.role !== "viewer";
  return (
    <fieldset class="choice">
      <legend class="hidden-words">{text("point.mode")}</legend>
      {modes.map((mode) => (
        <button
          key={mode}
          type="button"
          title={text(`mode.help.${mode}`)}
          aria-pressed={point.mode === mode}
          aria-busy={pending === mode}
          class={pending === mode && point.mode !== mode ? "is-pending" : ""}
          disabled={!mayChange}
          onClick={() => {
            if (pending !== mode && (point.mode !== mode || pending !== undefined)) void wish(id, { mode });
          }}
        >
          {text(`mode.${mode}`)}
        </button>
      ))}
    </fieldset>
  );
}
