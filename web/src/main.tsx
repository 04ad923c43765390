import { render } from "preact";

import { App } from "./app/App";
import { connect } from "./live/connection";
import { serveOffline } from "./app/offline";

const root = document.getElementById("app");
if (root !== null) {
  render(<App />, root);
  connect();
  void serveOffline();
}
