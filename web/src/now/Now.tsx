import type { JSX } from "preact";

import { PointCard } from "../charging/PointCard";
import { joined, money, power } from "../format/numbers";
import { freshness, nowMs, state } from "../live/site";
import { text } from "../texts";
import { Flow } from "./Flow";
import { says } from "./says";

/** The first page: is the car charging, with what, until when; and to change it with one tap. */
export function Now(): JSX.Element {
  const known = state.value;
  if (known === null) return <p class="quiet">{text("say.site_unknown")}</p>;
  const { headline, more } = says(known, nowMs.value);
  const devices = Object.entries(known.devices ?? {}).filter(([, device]) => device.power_w != null);
  const price = known.tariff?.price_per_kwh;
  return (
    <div class={freshness.value === "fresh" ? "now" : "now is-old"}>
      <div class="says">
        <h1>{headline}</h1>
        <p class="quiet">{more}</p>
      </div>
      <section class="sheet flow" aria-label={text("nav.now")}>
        <Flow />
      </section>
      <div class="stack">
        {Object.keys(known.charge_points ?? {}).map((id) => (
          <PointCard key={id} id={id} />
        ))}
        {devices.length > 0 && (
          <section class="sheet devices">
            <h2>{text("devices.title")}</h2>
            <ul>
              {devices.map(([id, device]) => (
                <li key={id}>
                  <span>{device.name ?? id}</span>
                  <span class="amount">{joined(power(device.power_w))}</span>
                </li>
              ))}
            </ul>
          </section>
        )}
        {price != null && <p class="quiet small">{text("price.now", { price: money(price) })}</p>}
      </div>
    </div>
  );
}
