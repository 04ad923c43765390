import {
  changeChargePoint,
  exportSessionsPdf,
  getCommand,
  getHistory,
  getSite,
  getState,
  listChargePoints,
  listSessions,
  login,
} from "./hey-api";
import type { CommandAnswer, Mode, ProblemCode, WishedLimit } from "./hey-api";
import { client } from "./hey-api/client.gen";
import { beginning, given, tell, watched } from "./told";

async function main(): Promise<void> {
  let token = "";
  client.setConfig({ baseUrl: given.url, fetch: watched, auth: () => token });
  const body = { username: given.username, password: given.password };
  token = (await login({ body, throwOnError: true })).data.access_token;
  const site = (await getSite({ throwOnError: true })).data;
  const state = (await getState({ query: { fields: "grid" }, throwOnError: true })).data;
  const points = (await listChargePoints({ throwOnError: true })).data.items;
  const first = points[0]!;
  const modes: Mode[] = first.capabilities!.modes;
  if (!modes.includes("pv")) throw new Error("no mode pv");
  const sessions = (await listSessions({ query: { limit: 2 }, throwOnError: true })).data.items;
  const history = (await getHistory({ query: { series: "grid.power_w" }, throwOnError: true })).data;
  const limit: WishedLimit = { type: "energy", energy_wh: given.limitWh };
  let command: CommandAnswer = (
    await changeChargePoint({ path: { id: first.id }, body: { limit }, throwOnError: true })
  ).data;
  while (command.settled_at === null) {
    command = (await getCommand({ path: { id: command.id }, throwOnError: true })).data;
  }
  const pdf: Blob | File = (await exportSessionsPdf({ throwOnError: true })).data;
  const refused = await changeChargePoint({ path: { id: "nowhere" }, body: { mode: "pv" } });
  const code: ProblemCode | undefined = refused.error?.code;
  tell(token, {
    site: site.name,
    chargePoints: points.map((point) => point.id),
    powerW: state.grid?.power_w,
    session: sessions[0]?.started_at,
    samples: history.series["grid.power_w"]!.length,
    status: command.status,
    limitWh: command.observed.limit?.energy_wh,
    pdf: await beginning(pdf),
    code,
  });
}

void main();
