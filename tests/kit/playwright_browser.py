"""A real browser for tests of the web app: Debian's Chromium, headless, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

AXE = Path("web/node_modules/axe-core/axe.min.js")
"""What finds what people with a screen reader, weak eyes or no mouse cannot use."""

_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process; tests open a context each."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program is not None, "deploy/install-test-servers.sh installs chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Complaints:
    """What a page must not do: scripts that fail, what its policy forbids, dialogs that a foreign script opened."""

    heard: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("pageerror", self._failed)
        page.on("console", self._said)
        page.on("dialog", lambda dialog: self.heard.append(f"dialog {dialog.message}"))

    def _failed(self, error: Error) -> None:
        self.heard.append(f"error {error.message}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.heard.append(message.text)


def axe_violations(page: Page) -> list[str]:
    """What axe finds in the page as it is shown now: rule and element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]
