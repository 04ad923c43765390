import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { digits } from "../format/numbers";
import { TellWish } from "../parts/TellWish";
import { outcomeOf, wish } from "./wish";

interface Slid {
  readonly id: string;
  readonly name: "current_a" | "pv_min_current_a" | "min_pv_current_a";
  readonly value: number;
  readonly lowest: number;
  readonly highest: number;
  readonly unit: string;
  readonly label: string;
}

/** A number by a slider: it is sent when the finger lets go, not on every pixel. */
export function Slide({ id, name, value, lowest, highest, unit, label }: Slid): JSX.Element {
  const [held, setHeld] = useState<number | null>(null);
  const outcome = outcomeOf(id, name);
  const asked = outcome.is === "pending" ? outcome.body[name] : undefined;
  const shown = held ?? asked ?? value;
  return (
    <>
      <div class="slide">
        <input
          type="range"
          min={lowest}
          max={highest}
          step={1}
          value={shown}
          aria-label={label}
          onInput={(event) => setHeld(event.currentTarget.valueAsNumber)}
          onChange={(event) => {
            const chosen = event.currentTarget.valueAsNumber;
            setHeld(null);
            if (chosen !== value) void wish(id, { [name]: chosen });
          }}
        />
        <output>
          {digits(shown, 0)} {unit}
        </output>
      </div>
      <TellWish point={id} name={name} />
    </>
  );
}
