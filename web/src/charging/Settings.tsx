import type { JSX } from "preact";

import { login } from "../api/login";
import type { ChargePoint } from "../api/types";
import { state } from "../live/site";
import { TellWish } from "../parts/TellWish";
import { text } from "../texts";
import { LimitSetting } from "./LimitSetting";
import { Slide } from "./Slide";
import { outcomeOf, wish } from "./wish";

/** What a person sets at a charge point: only what the wallbox can do, and only what this role may. */
export function Settings({ id, point }: { readonly id: string; readonly point: ChargePoint }): JSX.Element | null {
  const can = point.capabilities;
  if (can === null) return null;
  const isAdmin = login.value?.role === "admin";
  const [lowest, highest] = [can.lowest_current_a, can.highest_current_a];
  return (
    <section class="sheet">
      <LimitSetting id={id} point={point} />
      {point.current_a !== null && (
        <div class="setting">
          <h2>{text("point.current")}</h2>
          <Slide id={id} name="current_a" value={point.current_a} lowest={lowest} highest={highest} unit="A" label={text("point.current")} />
        </div>
      )}
      {can.can_enable && (
        <div class="setting">
          <h2>{text("point.lock")}</h2>
          <Pick
            id={id}
            name="is_enabled"
            options={[
              [true, text("point.unlocked")],
              [false, text("point.locked")],
            ]}
            value={point.is_enabled}
          />
        </div>
      )}
      {can.can_assign_vehicle && <VehicleSetting id={id} point={point} />}
      {isAdmin && can.can_switch_phases && (
        <div class="setting">
          <h2>{text("point.phases")}</h2>
          <Pick
            id={id}
            name="phases"
            options={[
              [0, text("point.phases_auto")],
              [1, text("point.phases_1")],
              [3, text("point.phases_3")],
            ]}
            value={point.phases}
          />
        </div>
      )}
      {isAdmin && can.can_set_pv_min_current && point.pv_min_current_a !== null && (
        <div class="setting">
          <h2>{text("point.pv_min_current")}</h2>
          <Slide id={id} name="pv_min_current_a" value={point.pv_min_current_a} lowest={0} highest={16} unit="A" label={text("point.pv_min_current")} />
        </div>
      )}
    </section>
  );
}

interface Picked<T extends string | number | boolean> {
  readonly id: string;
  readonly name: "is_enabled" | "phases";
  readonly options: readonly (readonly [T, string])[];
  readonly value: T | null;
}

function Pick<T extends string | number | boolean>({ id, name, options, value }: Picked<T>): JSX.Element {
  const outcome = outcomeOf(id, name);
  const pending = outcome.is === "pending" ? outcome.body[name] : undefined;
  return (
    <>
      <div class="choice" role="group">
        {options.map(([option, words]) => (
          <button
            key={String(option)}
            type="button"
            aria-pressed={value === option}
            aria-busy={pending === option}
            class={pending === option && value !== option ? "is-pending" : ""}
            onClick={() => void wish(id, { [name]: option })}
          >
            {words}
          </button>
        ))}
      </div>
      <TellWish point={id} name={name} />
    </>
  );
}

function VehicleSetting({ id, point }: { readonly id: string; readonly point: ChargePoint }): JSX.Element {
  const vehicles = Object.entries(state.value?.vehicles ?? {});
  return (
    <div class="setting">
      <label class="field">
        {text("point.vehicle")}
        <select value={point.vehicle_id ?? ""} onChange={(event) => void wish(id, { vehicle: event.currentTarget.value })}>
          {point.vehicle_id === null && <option value="">{text("point.no_vehicle")}</option>}
          {vehicles.map(([vehicle, { name }]) => (
            <option key={vehicle} value={vehicle}>
              {name ?? vehicle}
            </option>
          ))}
        </select>
      </label>
      <TellWish point={id} name="vehicle" />
    </div>
  );
}
