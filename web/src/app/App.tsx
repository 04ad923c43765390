import type { JSX } from "preact";
import { lazy, Suspense } from "preact/compat";

import { login } from "../api/login";
import { age } from "../format/times";
import { connection, freshness, heardAtMs, nowMs, state } from "../live/site";
import { Login } from "../login/Login";
import { Now } from "../now/Now";
import { Icon, type IconName } from "../parts/icons";
import { ProofDialog } from "../parts/ProofDialog";
import { language, text } from "../texts";
import { place, to } from "./router";

const ChargePointPage = lazy(() => import("../charging/ChargePointPage"));
const HistoryPage = lazy(() => import("../history/HistoryPage"));
const LogPage = lazy(() => import("../log/LogPage"));
const MePage = lazy(() => import("../me/MePage"));
const MorePage = lazy(() => import("../more/MorePage"));
const SessionPage = lazy(() => import("../log/SessionPage"));

const TABS: readonly { readonly name: "now" | "history" | "log" | "more"; readonly icon: IconName }[] = [
  { name: "now", icon: "now" },
  { name: "history", icon: "history" },
  { name: "log", icon: "log" },
  { name: "more", icon: "more" },
];

/** The frame of every page: whose site it is, how fresh its values are, and the way to the other pages. */
export function App(): JSX.Element {
  void language.value; // every text is read anew when the language changes
  if (login.value === null) return <Login />;
  const here = place.value[0] ?? "now";
  return (
    <div class="shell">
      <header>
        <span class="site-name">{state.value?.site.name ?? text("app.name")}</span>
        <Fresh />
      </header>
      <Banner />
      <main>
        <Suspense fallback={<p class="quiet">{text("common.loading")}</p>}>
          <Page name={here} />
        </Suspense>
      </main>
      <nav class="tabs" aria-label={text("app.name")}>
        {TABS.map(({ name, icon }) => (
          <a key={name} href={to(name)} aria-current={isAt(here, name) ? "page" : undefined}>
            <Icon name={icon} />
            {text(`nav.${name}`)}
          </a>
        ))}
      </nav>
      <ProofDialog />
    </div>
  );
}

function Page({ name }: { readonly name: string }): JSX.Element {
  switch (name) {
    case "charging":
      return <ChargePointPage id={place.value[1] ?? ""} />;
    case "history":
      return <HistoryPage />;
    case "log":
      return place.value[1] === undefined ? <LogPage /> : <SessionPage id={place.value[1]} />;
    case "me":
      return <MePage />;
    case "more":
      return <MorePage />;
    default:
      return <Now />;
  }
}

function isAt(here: string, tab: string): boolean {
  return here === tab || (tab === "now" && here === "charging") || (tab === "more" && here === "me");
}

function Fresh(): JSX.Element {
  const is = freshness.value;
  const words = is === "fresh" ? "fresh.live" : is === "stale" ? "fresh.stale" : connection.value === "connecting" ? "fresh.connecting" : "fresh.away";
  return (
    <span class="fresh" data-is={is} role="status">
      <i aria-hidden="true" />
      {text(words)}
    </span>
  );
}

/** Says so in words when what is shown is not the present. */
function Banner(): JSX.Element | null {
  const is = freshness.value;
  const heard = heardAtMs.value;
  if (is === "none" || is === "fresh" || heard === null) return null;
  const updated = state.value ? Date.parse(state.value.updated_at) : heard;
  if (is === "away" && connection.value === "connecting" && nowMs.value - heard < 10_000) return null;
  return <p class="banner">{text(is === "stale" ? "banner.stale" : "banner.away", { age: age(nowMs.value - (is === "stale" ? updated : heard)) })}</p>;
}
