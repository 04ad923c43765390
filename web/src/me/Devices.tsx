import type { JSX } from "preact";

import { ask, logOut } from "../api/client";
import type { components } from "../api/schema";
import { moment } from "../format/times";
import { nowMs } from "../live/site";
import { Fault } from "../parts/Fault";
import { useAction } from "../parts/useAction";
import { useAnswer } from "../parts/useAnswer";
import { text } from "../texts";

type Device = components["schemas"]["DeviceShape"];

/** What is logged in as this user; each can be ended at once. */
export function Devices(): JSX.Element {
  const { data, fault, again } = useAnswer<{ readonly items: readonly Device[] }>("me/devices");
  const ending = useAction();
  const end = (device: Device): void =>
    ending.run(async () => {
      if (device.is_current) return logOut();
      await ask(`me/devices/${encodeURIComponent(device.id)}`, { method: "DELETE" });
      again();
    });
  return (
    <section class="sheet">
      <h2>{text("me.devices")}</h2>
      <Fault fault={fault ?? ending.fault} again={again} />
      <ul class="list">
        {data?.items.map((device) => (
          <li key={device.id}>
            <span class="row">
              <span class="stack tight">
                <span>
                  {device.name}
                  {device.is_current && <span class="tag">{text("me.this_device")}</span>}
                </span>
                <span class="quiet small">{text("me.seen", { at: moment(new Date(device.seen_at), new Date(nowMs.value)) })}</span>
              </span>
              <button class="text-button" type="button" disabled={ending.isBusy} onClick={() => end(device)}>
                {text("me.end")}
              </button>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
