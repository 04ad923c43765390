import type { JSX } from "preact";

import { to } from "../app/router";
import { percent, power } from "../format/numbers";
import { nameOf } from "../now/says";
import { Amount } from "../parts/Amount";
import { TellWish } from "../parts/TellWish";
import { state } from "../live/site";
import { text } from "../texts";
import { doing } from "./doing";
import { Modes } from "./Modes";
import { SocBar } from "./SocBar";

/** One charge point on the first page: what it does, its car, and its modes. */
export function PointCard({ id }: { readonly id: string }): JSX.Element | null {
  const known = state.value;
  const point = known?.charge_points?.[id];
  if (!known || !point) return null;
  const words = doing(point, known);
  const car = point.is_plugged ? point.vehicle : null;
  return (
    <section class="sheet point" data-is={words.key}>
      <a href={to("charging", id)}>
        <div class="row apart">
          <h2>{nameOf(id, point)}</h2>
          {point.is_charging && (
            <span class="big">
              <Amount of={power(point.power_w)} />
            </span>
          )}
        </div>
        <div class="row apart">
          <span class="doing">{text(words.key, words.key === "doing.charges_mixed" ? { sunPercent: words.sunPercent } : {})}</span>
          {car && (
            <span class="quiet">
              {car} {point.soc_percent !== null && <Amount of={percent(point.soc_percent)} />}
            </span>
          )}
        </div>
        {point.is_plugged && point.soc_percent !== null && <SocBar point={point} />}
      </a>
      <Modes id={id} point={point} />
      <TellWish point={id} name="mode" />
    </section>
  );
}
