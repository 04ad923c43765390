import type { JSX } from "preact";

import type { Amount as Value } from "../format/numbers";

/** A large number with a small unit. */
export function Amount({ of }: { readonly of: Value }): JSX.Element {
  return (
    <span class="amount">
      {of.value}
      <span class="unit">{of.unit}</span>
    </span>
  );
}
