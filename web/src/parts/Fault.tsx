import type { JSX } from "preact";

import { type Key, text } from "../texts";
import { sentence } from "./faults";

interface Given {
  readonly fault: unknown;
  readonly again?: () => void;
  readonly here?: Readonly<Record<string, Key>>;
}

/** What went wrong, and a way to try again. */
export function Fault({ fault, again, here }: Given): JSX.Element | null {
  if (fault === null) return null;
  return (
    <div class="fault row apart" role="alert">
      <span>{sentence(fault, here)}</span>
      {again && (
        <button class="text-button" type="button" onClick={again}>
          {text("common.again")}
        </button>
      )}
    </div>
  );
}
