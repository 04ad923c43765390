import createClient from "openapi-fetch";

import type { components, paths } from "./openapi-typescript/schema";
import { beginning, given, tell, watched } from "./told";

type Schemas = components["schemas"];

async function main(): Promise<void> {
  const api = createClient<paths>({ baseUrl: given.url, fetch: watched });
  const body: Schemas["LoginBody"] = { username: given.username, password: given.password };
  const login = (await api.POST("/api/v1/auth/login", { body })).data!;
  api.use({
    onRequest({ request }) {
      request.headers.set("authorization", `Bearer ${login.access_token}`);
      return request;
    },
  });
  const site = (await api.GET("/api/v1/site")).data!;
  const state = (await api.GET("/api/v1/state", { params: { query: { fields: "grid" } } })).data!;
  const points = (await api.GET("/api/v1/chargepoints")).data!.items;
  const first = points[0]!;
  const modes: Schemas["Mode"][] = first.capabilities!.modes;
  if (!modes.includes("pv")) throw new Error("no mode pv");
  const sessions = (await api.GET("/api/v1/sessions", { params: { query: { limit: 2 } } })).data!.items;
  const history = (await api.GET("/api/v1/history", { params: { query: { series: "grid.power_w" } } })).data!;
  const path = { id: first.id };
  const limit: Schemas["WishedLimit"] = { type: "energy", energy_wh: given.limitWh };
  const wished = await api.PATCH("/api/v1/chargepoints/{id}", { params: { path }, body: { limit } });
  let command: Schemas["CommandAnswer"] = wished.data!;
  while (command.settled_at === null) {
    command = (await api.GET("/api/v1/commands/{id}", { params: { path: { id: command.id } } })).data!;
  }
  const pdf = await api.GET("/api/v1/sessions.pdf", { parseAs: "blob" });
  const refused = await api.PATCH("/api/v1/chargepoints/{id}", {
    params: { path: { id: "nowhere" } },
    body: { mode: "pv" },
  });
  tell(login.access_token, {
    site: site.name,
    chargePoints: points.map((point) => point.id),
    powerW: state.grid?.power_w,
    session: sessions[0]?.started_at,
    samples: history.series["grid.power_w"]!.length,
    status: command.status satisfies Schemas["CommandStatus"],
    limitWh: command.observed.limit?.energy_wh,
    pdf: await beginning(pdf.data as unknown as Blob),
    code: refused.error?.code satisfies Schemas["ProblemCode"] | undefined,
  });
}

void main();
