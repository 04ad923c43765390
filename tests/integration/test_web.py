"""The web app as the api serves it: its page, its files, and what a browser may do with them."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.adapters import web_files
from tests.kit.api_client import RunningApi, running_api

PAGE = b"<!doctype html><title>Wallport</title>"
SCRIPT = b"export {};" * 100
GZIPPED = gzip.compress(SCRIPT)
ASSET = "assets/index-AbCd_123.js"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built web app, small."""
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "sw.js").write_bytes(SCRIPT)
    (folder / ASSET).write_bytes(SCRIPT)
    (folder / f"{ASSET}.br").write_bytes(b"br")
    (folder / f"{ASSET}.gz").write_bytes(GZIPPED)
    (folder / "assets/icon.svg").write_bytes(b"<svg/>")
    (folder / "assets/secret.key").write_bytes(b"not a kind of file that a page has")
    monkeypatch.setattr(web_files, "FOLDER", folder)
    return folder


@pytest.fixture
def api(tmp_path: Path, folder: Path, redis_url: str, sqlite_url: str) -> Iterator[RunningApi]:
    with running_api(tmp_path / "api", redis_url, sqlite_url) as api:
        yield api


def test_the_page_runs_nothing_but_what_this_origin_serves(api: RunningApi) -> None:
    """Neither inline script nor style, no frame around it, and no text becomes a script."""
    for client in (api.lan, api.relay):
        answer = client.get("/")
        assert (answer.status_code, answer.content) == (200, PAGE)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        for rule in ("default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"):
            assert rule in policy
        assert answer.headers["cache-control"] == "no-cache"


def test_a_file_named_by_its_content_is_kept_for_ever_and_others_are_asked_for(api: RunningApi) -> None:
    """So an update needs no reload by force, and a bad line carries nothing twice."""
    asset = api.lan.get(f"/{ASSET}")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/sw.js", "/assets/icon.svg", "/"):
        answer = api.lan.get(path)
        assert answer.headers["cache-control"] == "no-cache"
        again = api.lan.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("br, gzip", "br"),
        ("gzip", "gzip"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("identity", None),
        ("", None),
        ("x;q=y", None),
    ],
)
def test_a_file_comes_compressed_as_it_was_built(api: RunningApi, accepted: str, encoding: str | None) -> None:
    """As the client asks; each form has a tag of its own."""
    with api.lan.stream("GET", f"/{ASSET}", headers={"accept-encoding": accepted}) as answer:
        content = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == encoding
    assert content == {"br": b"br", "gzip": GZIPPED, None: SCRIPT}[encoding]
    assert answer.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "path", ["/assets/secret.key", "/assets/index-AbCd_123.js.gz", "/assets/..%2findex.html", "/assets/nothing.js"]
)
def test_nothing_else_is_served(api: RunningApi, path: str) -> None:
    """Neither files of other kinds, nor what lies elsewhere."""
    assert api.lan.get(path).status_code == 404


def test_without_a_built_app_the_api_says_so(
    tmp_path: Path, redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_files, "FOLDER", tmp_path / "nothing")
    with running_api(tmp_path / "api", redis_url, sqlite_url) as api:
        answer = api.lan.get("/sw.js")
        assert (answer.status_code, answer.json()["detail"]) == (404, "the web app was not built")


def test_programs_are_told_where_things_are(api: RunningApi) -> None:
    """At the address of the app's page, where they ask for JSON."""
    assert_programs_find_their_way(api)


def assert_programs_find_their_way(api: RunningApi) -> None:
    told = api.lan.get("/", headers={"accept": "application/json"})
    assert told.headers["content-type"] == "application/json"
    for name in ("description", "docs", "setup"):
        assert api.lan.get(f"/{told.json()[name]}").status_code == 200
    assert api.lan.get(f"/{told.json()['api']}me").status_code == 401


def test_the_site_s_address_without_the_app(
    tmp_path: Path, redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that says what this is, in the browser's language; for programs the same as with the app."""
    monkeypatch.setattr(web_files, "FOLDER", tmp_path / "nothing")
    with running_api(tmp_path / "api", redis_url, sqlite_url) as api:
        assert_programs_find_their_way(api)
        for language, words in (("de-DE,en;q=0.5", "Hier läuft Wallport"), ("en", "Wallport runs here")):
            page = api.lan.get("/", headers={"accept": "text/html,*/*;q=0.8", "accept-language": language})
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert words in page.text
            assert "script-src" not in page.headers["content-security-policy"]
