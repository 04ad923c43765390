import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { Me } from "../api/types";
import { to } from "../app/router";
import { Fault } from "../parts/Fault";
import { Icon } from "../parts/icons";
import { useAnswer } from "../parts/useAnswer";
import { text } from "../texts";
import { Devices } from "./Devices";
import { Pairing } from "./Pairing";
import { Password } from "./Password";
import { SecondFactor } from "./SecondFactor";
import { Tokens } from "./Tokens";

/** One's own account: password, second factor, devices, tokens for programs, another phone. */
export default function MePage(): JSX.Element {
  const { data, fault, again } = useAnswer<Me>("me");
  const [passwords, setPasswords] = useState(0); // a new one ends the other logins, so they are asked for anew
  return (
    <div class="stack">
      <a class="row back" href={to("more")}>
        <Icon name="back" />
        {text("nav.more")}
      </a>
      <h1>{data?.name ?? text("me.title")}</h1>
      <Fault fault={fault} again={again} />
      <Pairing />
      {data !== null && <SecondFactor me={data} changed={again} />}
      <Password changed={() => setPasswords(passwords + 1)} />
      <Devices key={passwords} />
      <Tokens />
    </div>
  );
}
