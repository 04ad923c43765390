"""A newcomer's first minutes in a real browser: the first admin, a second factor, and what comes next."""

import shutil
from pathlib import Path

import pyotp
import pytest

from api.adapters import web_files
from common.security.refresh_tokens import digest
from common.store import setup
from common.store.bind import open_store
from tests.kit.api_client import PASSWORD, running_api
from tests.kit.browser import chromium
from tests.kit.waiting import eventually

pytestmark = [
    pytest.mark.timeout(150),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]


@pytest.mark.parametrize(
    ("language", "width", "next_up"), [("de-DE", 360, "Wie geht es"), ("en-GB", 1280, "What next")]
)
def test_from_the_link_to_the_second_factor(
    tmp_path: Path,
    redis_url: str,
    sqlite_url: str,
    language: str,
    width: int,
    next_up: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No page is wider than the screen, nothing is forbidden by the policy, the secret leaves the address bar, and the
    codes work; the login that the page made is gone when one leaves it."""
    monkeypatch.setattr(web_files, "FOLDER", tmp_path / "nothing")  # whether the app was built or not
    store = open_store(sqlite_url)
    setup.put_link(store, digest("wps_secret"), 4_000_000_000)
    with (
        running_api(tmp_path, redis_url, sqlite_url, users_of_tests=False) as api,
        chromium(tmp_path, language, width) as tab,
    ):
        base = str(api.lan.base_url).rstrip("/")

        def arrives(selector: str) -> None:
            eventually(lambda: tab.sees(selector), 20, selector)
            assert tab.js("document.documentElement.scrollWidth") <= width

        tab.go(f"{base}/")
        arrives("a[href=setup]")
        tab.go(f"{base}/setup#wps_secret")
        arrives("#first")
        tab.fill("#first form", user="Anna", password="1234567890", again="1234567890")
        arrives("#first output")
        tab.fill("#first form", user="Anna", password=PASSWORD, again=PASSWORD)
        arrives("#factor")
        assert tab.js("location.hash") == ""
        eventually(lambda: tab.js("document.getElementById('qr').naturalWidth") > 100, 10, "the QR code")
        secret = tab.text("#key").replace(" ", "")
        tab.fill("#factor form", code="000000")
        arrives("#factor output")
        tab.fill("#factor form", code=pyotp.TOTP(secret).now())
        arrives("#codes")
        assert tab.js("document.querySelectorAll('#list li').length") == 10
        tab.click("#kept")
        arrives("#next")
        assert next_up in tab.text("#next h1")
        headers = api.login("Anna")
        assert api.lan.get("/api/v1/me", headers=headers).json()["has_totp"] is True
        tab.go(f"{base}/setup")
        arrives("#login")

        def devices() -> int:
            return len(api.lan.get("/api/v1/me/devices", headers=headers).json()["items"])

        eventually(lambda: devices() == 1, 10, "the page's own login having ended")
        tab.fill("#login form", user="Anna", password=PASSWORD)
        arrives("#next #skipped")
        assert not tab.complaints
    store.close()
