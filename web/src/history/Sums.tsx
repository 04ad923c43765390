import type { JSX } from "preact";

import type { components } from "../api/schema";
import { energy, percent } from "../format/numbers";
import { Amount } from "../parts/Amount";
import { Fault } from "../parts/Fault";
import { useAnswer } from "../parts/useAnswer";
import { text } from "../texts";
import { bounds, type Shown } from "./periods";

type Statistics = components["schemas"]["SiteStatisticsAnswer"];

/** What the shown time sums up to: what the sun gave, what stayed at home of it, and how far it went. */
export function Sums({ shown }: { readonly shown: Shown }): JSX.Element {
  const { data, fault, again } = useAnswer<Statistics>(`statistics?${new URLSearchParams({ by: shown.span, ...bounds(shown) })}`);
  const total = data?.total;
  return (
    <>
      <Fault fault={fault} again={again} />
      <dl class="facts sheet">
        <div>
          <dt>{text("history.sun")}</dt>
          <dd>
            <Amount of={energy(total?.pv_wh)} />
          </dd>
        </div>
        <div>
          <dt>{text("history.self_consumption")}</dt>
          <dd>
            <Amount of={percent(total?.self_consumption_percent)} />
          </dd>
        </div>
        <div>
          <dt>{text("history.autarky")}</dt>
          <dd>
            <Amount of={percent(total?.autarky_percent)} />
          </dd>
        </div>
        <div>
          <dt>{text("history.used")}</dt>
          <dd>
            <Amount of={energy(total?.consumption_wh)} />
          </dd>
        </div>
        <div>
          <dt>{text("history.bought")}</dt>
          <dd>
            <Amount of={energy(total?.grid_import_wh)} />
          </dd>
        </div>
        <div>
          <dt>{text("history.sold")}</dt>
          <dd>
            <Amount of={energy(total?.grid_export_wh)} />
          </dd>
        </div>
      </dl>
    </>
  );
}
