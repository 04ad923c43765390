"""A headless Chromium that a test leads by its debugging protocol, on loopback alone."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.kit.waiting import eventually


class Tab:
    """One page. `complaints` are what the browser had to say of scripts, and of what the page's policy forbade."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._asked = 0
        self.complaints: list[str] = []
        for domain in ("Log", "Runtime", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol; its result."""
        self._asked += 1
        self._connection.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=30))
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["source"] != "network":
                self.complaints.append(message["params"]["entry"]["text"])
            if message.get("id") == self._asked:
                assert "error" not in message, message["error"]
                return message["result"]

    def js(self, expression: str) -> Any:
        """What it comes to in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def sees(self, selector: str) -> bool:
        """Whether something of that kind is shown."""
        return bool(self.js(f"!!document.querySelector({json.dumps(selector)})?.checkVisibility()"))

    def fill(self, form: str, **fields: str) -> None:
        """Type into a form's fields, and send it."""
        self.js(
            f"for (const [name, value] of Object.entries({json.dumps(fields)}))"
            f"  document.querySelector(`{form} [name=${{name}}]`).value = value;"
            f"document.querySelector({json.dumps(form)}).requestSubmit()"
        )

    def click(self, selector: str) -> None:
        self.js(f"document.querySelector({json.dumps(selector)}).click()")

    def text(self, selector: str) -> str:
        return str(self.js(f"document.querySelector({json.dumps(selector)}).textContent"))


@contextmanager
def chromium(folder: Path, language: str, width: int) -> Iterator[Tab]:
    """A tab of that width, in CSS pixels. `chromium` must be installed."""
    program = shutil.which("chromium")
    assert program is not None
    profile = folder / "profile"
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    command += [f"--accept-lang={language}", f"--window-size={width},800", "about:blank"]
    with (folder / "chromium.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            port_file = profile / "DevToolsActivePort"
            eventually(lambda: port_file.exists() and port_file.read_text().count("\n") == 1, 30, "the browser")
            lines = port_file.read_text().splitlines()
            with connect(f"ws://127.0.0.1:{lines[0]}{lines[1]}", proxy=None, max_size=None) as whole:
                whole.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
                targets = json.loads(whole.recv(timeout=20))["result"]["targetInfos"]
            page = next(target["targetId"] for target in targets if target["type"] == "page")
            with connect(f"ws://127.0.0.1:{lines[0]}/devtools/page/{page}", proxy=None, max_size=None) as connection:
                tab = Tab(connection)
                tab.call(
                    "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
                )
                yield tab
        finally:
            process.terminate()
            process.wait(20)
