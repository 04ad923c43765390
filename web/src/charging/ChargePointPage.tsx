import type { JSX } from "preact";

import { login } from "../api/login";
import { to } from "../app/router";
import { percent, power } from "../format/numbers";
import { nameOf } from "../now/says";
import { Amount } from "../parts/Amount";
import { Icon } from "../parts/icons";
import { TellWish } from "../parts/TellWish";
import { state } from "../live/site";
import { text } from "../texts";
import { doing } from "./doing";
import { Modes } from "./Modes";
import { Settings } from "./Settings";
import { SocBar } from "./SocBar";
import { ThisCharge } from "./ThisCharge";

/** One charge point with all that can be seen and changed of it. */
export default function ChargePointPage({ id }: { readonly id: string }): JSX.Element {
  const known = state.value;
  const point = known?.charge_points?.[id];
  if (!known || !point)
    return (
      <div class="stack">
        <Back />
        <p class="quiet">{text(known ? "point.gone" : "say.site_unknown")}</p>
      </div>
    );
  const words = doing(point, known);
  const role = login.value?.role;
  return (
    <div class="stack">
      <Back />
      <div class="row apart">
        <h1>{nameOf(id, point)}</h1>
        <span class="big">
          <Amount of={power(point.power_w)} />
        </span>
      </div>
      <p class="quiet">
        {text(words.key, words.key === "doing.charges_mixed" ? { sunPercent: words.sunPercent } : {})}
        {point.is_charging && point.phases_in_use ? ` · ${text("point.in_use", { n: point.phases_in_use })}` : ""}
      </p>
      {point.is_plugged && point.soc_percent !== null && (
        <div class="stack">
          <div class="row apart">
            <span>{point.vehicle}</span>
            <Amount of={percent(point.soc_percent)} />
          </div>
          <SocBar point={point} />
        </div>
      )}
      <section class="sheet stack">
        <Modes id={id} point={point} />
        <TellWish point={id} name="mode" />
        {point.mode && <p class="quiet small">{text(`mode.help.${point.mode}`)}</p>}
        {point.capabilities?.is_mode_site_wide && <p class="quiet small">{text("point.mode_site_wide")}</p>}
      </section>
      <ThisCharge id={id} />
      {role !== "viewer" && <Settings id={id} point={point} />}
      {(point.state_text ?? point.fault?.text) && (
        <section class="sheet stack">
          <h2>{text("point.wallbox_says")}</h2>
          {point.fault?.text && point.fault.level !== "ok" && <p class="fault">{point.fault.text}</p>}
          {point.state_text && <p class="quiet">{point.state_text}</p>}
        </section>
      )}
    </div>
  );
}

function Back(): JSX.Element {
  return (
    <a class="row back" href={to("now")}>
      <Icon name="back" />
      {text("nav.now")}
    </a>
  );
}
