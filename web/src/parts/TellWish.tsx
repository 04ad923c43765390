import type { JSX } from "preact";

import { outcomeOf, type Wished } from "../charging/wish";
import { state } from "../live/site";
import { text } from "../texts";
import { sentence } from "./faults";

/** One line on what became of the newest wish: asked, confirmed, or why not; and what else it changed. */
export function TellWish({ point, name }: { readonly point: string; readonly name: Wished }): JSX.Element {
  const outcome = outcomeOf(point, name);
  let said = "";
  if (outcome.is === "pending") said = text("wish.pending");
  if (outcome.is === "confirmed") said = confirmed(outcome.command.affects);
  if (outcome.is === "failed") said = sentence(outcome.fault);
  if (outcome.is === "refused") {
    const { status, detail } = outcome.command;
    said = text(status === "rejected" ? "wish.rejected" : status === "superseded" ? "wish.superseded" : "wish.timed_out", {
      detail: detail ?? "",
    });
  }
  const isBad = outcome.is === "failed" || outcome.is === "refused";
  return (
    <p class={isBad ? "told is-bad" : "told"} role="status" hidden={said === ""}>
      {said}
    </p>
  );
}

function confirmed(affects: readonly string[]): string {
  if (affects.length === 0) return text("wish.confirmed");
  const names = affects.map((id) => state.value?.charge_points?.[id]?.name ?? text("point.title", { id })).join(", ");
  return `${text("wish.confirmed")}. ${text("wish.affects", { n: affects.length, names })}`;
}
