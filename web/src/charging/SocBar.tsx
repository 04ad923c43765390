import type { JSX } from "preact";

import type { ChargePoint } from "../api/types";
import { joined, percent } from "../format/numbers";
import { text } from "../texts";

/** How full the car is, with a mark where charging ends. */
export function SocBar({ point }: { readonly point: ChargePoint }): JSX.Element {
  const target = point.limit?.type === "soc" ? point.limit.soc_percent : null;
  return (
    <div class="bar" role="img" aria-label={`${text("point.battery")} ${joined(percent(point.soc_percent))}`}>
      <i style={{ width: `${point.soc_percent ?? 0}%` }} />
      {target != null && <b style={{ width: `${target}%` }} />}
    </div>
  );
}
