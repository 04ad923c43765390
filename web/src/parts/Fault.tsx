import type { JSX } from "preact";

import { text } from "../texts";
import { sentence } from "./faults";

/** What went wrong, and a way to try again. */
export function Fault({ fault, again }: { readonly fault: unknown; readonly again?: () => void }): JSX.Element | null {
  if (fault === null) return null;
  return (
    <div class="fault row apart" role="alert">
      <span>{sentence(fault)}</span>
      {again && (
        <button class="text-button" type="button" onClick={again}>
          {text("common.again")}
        </button>
      )}
    </div>
  );
}
