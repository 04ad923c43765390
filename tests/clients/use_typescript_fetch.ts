import {
  CommandsApi,
  Configuration,
  HistoryApi,
  LoginsApi,
  ResponseError,
  SessionsApi,
  StateApi,
} from "./typescript-fetch";
import type { CommandAnswer, Mode, ProblemShape, WishedLimit } from "./typescript-fetch";
import { ProblemShapeFromJSON } from "./typescript-fetch";
import { beginning, given, tell, watched } from "./told";

async function main(): Promise<void> {
  let token = "";
  const configuration = new Configuration({ basePath: given.url, fetchApi: watched, accessToken: () => token });
  const loginBody = { username: given.username, password: given.password };
  token = (await new LoginsApi(configuration).login({ loginBody })).accessToken;
  const present = new StateApi(configuration);
  const sessionsApi = new SessionsApi(configuration);
  const commands = new CommandsApi(configuration);
  const site = await present.getSite();
  const state = await present.getState({ fields: "grid" });
  const points = (await present.listChargePoints()).items;
  const first = points[0]!;
  const modes: Mode[] = first.capabilities!.modes;
  if (!modes.includes("pv")) throw new Error("no mode pv");
  const sessions = (await sessionsApi.listSessions({ limit: 2 })).items;
  const startedAt: Date | undefined = sessions[0]?.startedAt;
  const history = await new HistoryApi(configuration).getHistory({ series: "grid.power_w" });
  const limit: WishedLimit = { type: "energy", energyWh: given.limitWh };
  let command: CommandAnswer = await commands.changeChargePoint({ id: first.id, chargePointBody: { limit } });
  while (command.settledAt === null) {
    command = await commands.getCommand({ id: command.id });
  }
  const pdf: Blob = await sessionsApi.exportSessionsPdf();
  let problem: ProblemShape | undefined;
  try {
    await commands.changeChargePoint({ id: "nowhere", chargePointBody: { mode: "pv" } });
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    problem = ProblemShapeFromJSON(await error.response.json());
  }
  tell(token, {
    site: site.name,
    chargePoints: points.map((point) => point.id),
    powerW: state.grid?.powerW,
    session: startedAt?.toISOString().replace(".000Z", "Z"),
    samples: history.series["grid.power_w"]!.length,
    status: command.status,
    limitWh: command.observed.limit?.energyWh,
    pdf: await beginning(pdf),
    code: problem?.code,
  });
}

void main();
