import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { ChargePoint, Limit } from "../api/types";
import { digits } from "../format/numbers";
import { TellWish } from "../parts/TellWish";
import { text } from "../texts";
import { outcomeOf, wish } from "./wish";

type Kind = "none" | "energy" | "soc";

const KINDS: readonly Kind[] = ["none", "energy", "soc"];
const FIRST = { energy: 10_000, soc: 80 } as const;

/** When charging ends: never by itself, after so much energy, or at so much charge of the car. */
export function LimitSetting({ id, point }: { readonly id: string; readonly point: ChargePoint }): JSX.Element | null {
  const offered = KINDS.filter((kind) => point.capabilities?.limit_types?.includes(kind));
  const [held, setHeld] = useState<number | null>(null);
  if (offered.length < 2 || point.limit === null) return null;
  const outcome = outcomeOf(id, "limit");
  const asked = outcome.is === "pending" ? outcome.body.limit : undefined;
  const shown: Limit = asked ?? point.limit;
  const amount = held ?? (shown.type === "energy" ? shown.energy_wh : shown.type === "soc" ? shown.soc_percent : null);
  return (
    <div class="setting">
      <h2>{text("point.limit")}</h2>
      <div class="choice" role="group" aria-label={text("point.limit")}>
        {offered.map((kind) => (
          <button
            key={kind}
            type="button"
            aria-pressed={point.limit?.type === kind}
            class={asked?.type === kind && point.limit?.type !== kind ? "is-pending" : ""}
            onClick={() => void wish(id, { limit: bodyOf(kind, kind === "none" ? 0 : FIRST[kind]) })}
          >
            {text(`point.limit_${kind}`)}
          </button>
        ))}
      </div>
      {amount != null && (shown.type === "energy" || shown.type === "soc") && (
        <div class="slide">
          <input
            type="range"
            min={shown.type === "energy" ? 1_000 : 5}
            max={100 * (shown.type === "energy" ? 1_000 : 1)}
            step={shown.type === "energy" ? 1_000 : 5}
            value={amount}
            aria-label={text("point.limit")}
            onInput={(event) => setHeld(event.currentTarget.valueAsNumber)}
            onChange={(event) => {
              setHeld(null);
              void wish(id, { limit: bodyOf(shown.type as Kind, event.currentTarget.valueAsNumber) });
            }}
          />
          <output>{shown.type === "energy" ? `${digits(amount / 1000, 0)} kWh` : `${digits(amount, 0)} %`}</output>
        </div>
      )}
      <TellWish point={id} name="limit" />
    </div>
  );
}

function bodyOf(kind: Kind, amount: number): { type: "none" } | { type: "energy"; energy_wh: number } | { type: "soc"; soc_percent: number } {
  if (kind === "energy") return { type: "energy", energy_wh: amount };
  return kind === "soc" ? { type: "soc", soc_percent: amount } : { type: "none" };
}
