"""Charge sessions as files, by the real api: read by LibreOffice and pdftotext, streamed, cut off."""

import io
import re
import subprocess
import tempfile
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import downloads
from api.adapters.documents import MOST_WORKBOOKS
from api.adapters.store import StoreThreads
from api.exports import pdf
from api.exports.lines import COLUMNS
from common.errors import StoreUnavailable
from common.security import totp
from common.store import sessions, users
from common.store.bind import Store, open_store
from common.store.rows import SessionRow
from tests.kit.api_client import RunningApi, problem, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.session_rows import charged, local_s, stored
from tests.kit.spreadsheet import GERMAN_CSV, opened
from tests.kit.states import SITE
from tests.kit.waiting import eventually

COUNT = 45
NOVEMBER = "from=2026-11-01&to=2026-12-01"
FILES = ("csv", "xlsx", "pdf")
EVIL = "=1+1"

pytestmark = pytest.mark.timeout(180)  # LibreOffice starts slowly on a busy machine


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, redis_server: Any, temporary: Path) -> Iterator[RunningApi]:
    """One api with six weeks of sessions, one of which was corrected and one of which still runs."""
    redis_server.flush()
    edge = EdgeDouble(redis_server.url)
    edge.tell(SITE)
    folder = tmp_path_factory.mktemp("exports")
    url = f"sqlite://{folder / 'store.sqlite'}"
    store = open_store(url)
    rows = list(charged(COUNT, local_s(2026, 10, 25, 7)))
    rows[12] = replace(rows[12], vehicle=EVIL, origin="log")
    rows[20] = replace(rows[20], ended_at=None)
    ids = stored(store, rows)
    change: dict[str, str | int | None] = {"user_name": "anna", "cost_millicents": 123_456}
    sessions.correct(
        store, ids[15], change, corrected_by="admin", corrected_at=rows[16].started_at, reason="Karte verlegt"
    )
    store.close()
    with pytest.MonkeyPatch.context() as patch, running_api(folder, redis_server.url, url) as api:
        patch.setattr(tempfile, "tempdir", str(temporary))
        outside = open_store(url)
        users.set_totp_secret(outside, "admin", totp.new_secret())  # or the relay is closed to them
        outside.close()
        yield api
    edge.close()


def items(api: RunningApi, query: str, name: str = "admin") -> list[dict[str, Any]]:
    """What the API lists for this query, oldest first."""
    answer = api.get(f"/api/v1/sessions?limit=500&{query}", name)
    assert answer.json()["next_cursor"] is None
    found: list[dict[str, Any]] = answer.json()["items"]
    return found[::-1]


def total(listed: Sequence[dict[str, Any]]) -> tuple[Decimal, Decimal]:
    """kWh and EUR of these items, exactly."""
    energy = Decimal(sum(item["energy_wh"] for item in listed)).scaleb(-3)
    return energy, sum((Decimal(item["cost"]["amount"]) for item in listed), Decimal())


def by_column(rows: list[list[str | float | None]]) -> dict[str, list[str | float | None]]:
    names = [column.name for column in COLUMNS]
    return {name: [row[number] if number < len(row) else None for row in rows] for number, name in enumerate(names)}


# Spreadsheets


def test_libreoffice_reads_the_german_csv_as_numbers(api: RunningApi, tmp_path: Path) -> None:
    """With decimal commas; names are texts, and one that looks like a formula is not computed."""
    file = tmp_path / "november.csv"
    file.write_bytes(api.get(f"/api/v1/sessions.csv?{NOVEMBER}&lang=de&bom=1", "admin").content)
    listed = items(api, NOVEMBER)
    head, *rows = opened(file, tmp_path, infilter=GERMAN_CSV)
    assert head[:4] == ["Nr.", "Ladepunkt", "Beginn", "Ende"]
    found = by_column(rows)
    assert found["id"] == [item["id"] for item in listed]
    assert found["energy"] == pytest.approx([item["energy_wh"] / 1000 for item in listed])
    assert found["meter_end"] == pytest.approx([item["meter_end_wh"] / 1000 for item in listed])
    assert found["cost"] == pytest.approx([float(item["cost"]["amount"]) for item in listed])
    assert all(isinstance(value, float) for value in found["started"])  # a date is a number of days
    assert f"'{EVIL}" in found["vehicle"]
    assert "Käfer" in found["vehicle"]


def test_libreoffice_computes_the_workbook_as_the_api_counts(api: RunningApi, tmp_path: Path) -> None:
    """Real numbers and dates, texts as texts; its own sum of each column is ours."""
    file = tmp_path / "all.xlsx"
    answer = api.get("/api/v1/sessions.xlsx?lang=en", "admin")
    file.write_bytes(answer.content)
    listed = items(api, "")
    _title, _period, _made, head, *rows = opened(file, tmp_path)
    end = next(number for number, row in enumerate(rows) if row[1] == "Total")
    last, below = rows[end], rows[end + 1 :]
    names = [str(name) for name in head]
    found = {
        name: [row[number] if number < len(row) else None for row in rows[:end]] for number, name in enumerate(names)
    }
    assert _period[0] == "Period: all records · all charge sessions"
    assert found["No."] == [item["id"] for item in listed]
    assert found["Energy (kWh)"] == pytest.approx([item["energy_wh"] / 1000 for item in listed])
    assert set(found["Charge point"]) == {"1 · Carport", "2"}  # not numbers: they are names
    assert found["Tag"] == [item["tag"] for item in listed]
    assert EVIL in found["Vehicle"]
    assert all(isinstance(value, float) for value in found["Start"])
    prices = [float(item["cost"]["amount"]) / item["energy_wh"] * 1000 for item in listed]
    assert found["Price (€/kWh)"] == pytest.approx(prices, abs=0.00006)
    assert set(found["Cost by"]) == {
        "by the prices for grid, PV and battery that the wallbox named at the time",
        "corrected by hand",
    }
    energy, cost = total(listed)
    assert last[names.index("Energy (kWh)")] == pytest.approx(float(energy))
    assert last[names.index("Cost (€)")] == pytest.approx(float(cost))
    assert below[0][names.index("Cost (€)")] == pytest.approx(round(float(cost), 2))
    assert "corrected" in str(found["Note"][15])
    assert any("Not recorded by this system" in str(row) for row in below)
    plugged = [item["plugged_s"] / 86_400 if item["plugged_s"] is not None else None for item in listed]
    assert found["Plugged in"] == pytest.approx(plugged)


def test_the_workbook_is_made_to_be_printed_and_filtered(api: RunningApi) -> None:
    """Landscape, a page wide, the head on each page; sums that leave out what a filter hides; German dates."""
    content = api.get("/api/v1/sessions.xlsx?lang=de", "admin").content
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet, whole, styles = (
            book.read(f"xl/{name}.xml").decode() for name in ("worksheets/sheet1", "workbook", "styles")
        )
    assert 'orientation="landscape"' in sheet
    assert 'fitToHeight="0"' in sheet
    assert 'paperSize="9"' in sheet
    assert "Print_Titles" in whole
    assert "$5:$5" in whole
    assert "Print_Area" in whole
    assert "SUBTOTAL(109," in sheet
    assert "SUM(" not in sheet
    assert "<autoFilter" in sheet
    assert "dd.mm.yyyy hh:mm" in styles


def test_csv_and_list_are_the_same_sessions(api: RunningApi) -> None:
    """For any filter, also with the other separator, English, and as a driver."""
    for query in (NOVEMBER, "charge_point=2", "vehicle=K%C3%A4fer", "user=anna&to=2026-11-20", "tag=none"):
        text = api.get(f"/api/v1/sessions.csv?{query}&lang=en", "admin").text
        assert [int(line.partition(",")[0]) for line in text.splitlines()[1:]] == [
            item["id"] for item in items(api, query)
        ]
    text = api.get("/api/v1/sessions.csv", "driver", headers={"accept-language": "en"}).text
    assert text.startswith("No.,Charge point")
    assert len(text.splitlines()) == 1 + len(items(api, "", "driver"))


# The printed record


def text_of(content: bytes) -> str:
    """What pdftotext reads, with single blanks."""
    read = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=content, check=True, capture_output=True, timeout=60
    )
    return re.sub(r"[ \t]+", " ", read.stdout.decode())


def test_the_record_adds_up_to_the_apis_total(api: RunningApi) -> None:
    """Digit by digit, with every reading, its gaps, corrections and methods, on numbered pages."""
    text = text_of(api.get(f"/api/v1/sessions.pdf?{NOVEMBER}&lang=de", "admin").content)
    listed = items(api, NOVEMBER)
    energy, cost = total(listed)
    assert f"Summe ({len(listed)} Ladevorgänge) {german(energy)} {german(cost)}" in text
    assert f"{german(round(cost, 2))} €" in text
    assert f"{german(energy)} kWh" in text
    for item in listed:
        for wh in (item["meter_start_wh"], item["meter_end_wh"], item["energy_wh"]):
            assert german(Decimal(wh).scaleb(-3)) in text
        assert german(Decimal(item["cost"]["amount"])) in text
    assert "01.11.2026 bis 30.11.2026" in text
    assert re.search(r"am \d\d\.\d\d\.\d{4} \d\d:\d\d von admin · Zeitzone Europe/Berlin", text)
    assert "1 · Carport" in text
    assert "läuft noch" in text
    assert "der Zähler zählte 2,400 kWh, die zu keinem Ladevorgang gehören" in text
    assert re.search(r"Kosten\s+1,23456\s+€\s+statt\s+[0-9,]+\s+€\.\s+Berichtigt\s+am", text)
    assert re.search(r"von\s+admin,\s+Grund:\s+Karte\s+verlegt", text)
    assert "nach den Preisen, die die Wallbox zur jeweiligen Zeit" in text
    assert "Nicht selbst aufgezeichnet, sondern aus dem Protokoll der Wallbox" in text
    pages = text.count("\f")
    assert [f"Seite {page} von {pages}" in text for page in range(1, pages + 1)] == [True] * pages


def german(value: Decimal) -> str:
    return f"{value:,}".translate(str.maketrans(",.", ".,"))


def test_a_drivers_record_is_theirs_in_english(api: RunningApi) -> None:
    """By name, with what others charged on the same meter as one sum, and no other name."""
    text = text_of(api.get(f"/api/v1/sessions.pdf?{NOVEMBER}&lang=en", "driver").content)
    energy, cost = total(items(api, NOVEMBER, "driver"))
    assert f"{energy:,} {cost:,}" in text
    assert "User driver" in text
    assert "by driver" in text
    assert "Other sessions" in text
    assert "anna" not in text
    assert "Page 1 of " in text


def test_a_record_without_sessions_says_so(api: RunningApi) -> None:
    text = text_of(api.get("/api/v1/sessions.pdf?from=2030-01-01&lang=de", "admin").content)
    assert "keine Ladevorgänge" in text
    assert "Seite 1 von 1" in text


@pytest.mark.parametrize(
    ("ending", "module", "bound"), [("pdf", pdf, "MOST_SESSIONS"), ("xlsx", downloads, "MOST_IN_A_WORKBOOK")]
)
def test_what_would_take_too_long_asks_for_a_shorter_period(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch, temporary: Path, ending: str, module: Any, bound: str
) -> None:
    """They are made before the first byte is sent; CSV has no such bound."""
    monkeypatch.setattr(module, bound, COUNT - 1)
    found = problem(api.get(f"/api/v1/sessions.{ending}", "admin"))
    assert (found["code"], found["errors"][0]["field"]) == ("invalid_input", "from")
    assert f"{COUNT - 1} sessions" in found["errors"][0]["message"]
    assert api.get(f"/api/v1/sessions.{ending}?{NOVEMBER}", "admin").status_code == 200
    assert api.get("/api/v1/sessions.csv", "admin").status_code == 200
    eventually(lambda: not list(temporary.iterdir()))


def test_every_page_can_be_drawn(api: RunningApi, tmp_path: Path) -> None:
    """By another program than the one that made it, and with something on it."""
    content = api.get("/api/v1/sessions.pdf", "admin").content
    subprocess.run(
        ["pdftoppm", "-r", "72", "-gray", "-", str(tmp_path / "page")], input=content, check=True, timeout=60
    )
    pages = sorted(tmp_path.glob("page*.pgm"))
    assert len(pages) == text_of(content).count("\f")
    for page in pages:
        assert min(page.read_bytes()[20:]) < 100  # ink


# How they travel


def test_downloads_have_names_and_stay_private(api: RunningApi) -> None:
    """Also when only asked for their head."""
    types = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}
    for ending in FILES:
        path = f"/api/v1/sessions.{ending}?{NOVEMBER}&user=anna&lang=en"
        for answer in (api.get(path, "admin"), api.lan.head(path, headers=api.login("admin"))):
            assert answer.status_code == 200
            name = f"charge-sessions_home_anna_2026-11-01_2026-11-30.{ending}"
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
            assert answer.headers["cache-control"] == "private, no-store"
            assert answer.headers["content-type"].startswith(types.get(ending, "application/vnd.openxmlformats"))
        assert answer.content == b""


def test_the_head_of_a_file_tells_the_length_that_it_has(api: RunningApi) -> None:
    """None where it is sent as it is made; never 0. On both listeners."""
    for client in (api.lan, api.relay):
        for ending in FILES:
            path = f"/api/v1/sessions.{ending}?{NOVEMBER}"
            head = client.head(path, headers=api.login("admin"))
            whole = client.get(path, headers=api.login("admin"))
            assert (head.status_code, head.content) == (200, b"")
            if ending == "csv":
                assert "content-length" not in {**head.headers, **whole.headers}
                continue
            assert int(whole.headers["content-length"]) == len(whole.content) > 1000
            # Both bear the second in which they were made, and are packed: that may change some bytes.
            assert abs(int(head.headers["content-length"]) - len(whole.content)) < 20
        page = client.get("/docs")
        assert client.head("/docs").headers["content-length"] == str(len(page.content))


def test_a_link_with_a_ticket_downloads_once(api: RunningApi) -> None:
    """On the LAN and through the relay; a ticket opens the files, not the list."""
    for client in (api.lan, api.relay):
        for ending in FILES:
            ticket = client.post("/api/v1/auth/ticket", headers=api.login("driver")).json()["ticket"]
            path = f"/api/v1/sessions.{ending}?{NOVEMBER}&ticket={ticket}"
            assert problem(client.get(f"/api/v1/sessions?ticket={ticket}"))["code"] == "login_required"
            assert client.get(path).status_code == 200
            assert problem(client.get(path))["code"] == "invalid_token"


@pytest.mark.parametrize(
    ("query", "field"),
    [("lang=fr", "lang"), ("from=x", "from"), ("limit=5", "limit"), ("separator=tab", "separator"), ("bom=2", "bom")],
)
def test_a_wrong_question_is_a_problem_and_no_file(api: RunningApi, query: str, field: str) -> None:
    """In every format; a page size makes no sense in a file."""
    for ending in FILES:
        found = problem(api.get(f"/api/v1/sessions.{ending}?{query}", "admin"))
        assert [error["field"] for error in found["errors"]] == [field]


def test_nothing_is_left_on_the_disk(api: RunningApi, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After all downloads; and a disk that takes nothing is a problem that names itself."""
    assert api.get("/api/v1/sessions.xlsx", "admin").status_code == 200
    eventually(lambda: not list(temporary.iterdir()))  # just after the last byte
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    assert problem(api.get("/api/v1/sessions.xlsx", "admin"))["code"] == "document_failed"


class LongStore(StoreThreads):
    """A store of `count` sessions that were never stored: made when their page is read.

    `gate`, when it is set, is waited for before the second page; `is_failing` breaks that page.
    """

    def __init__(
        self, store: Store, count: int, *, gate: threading.Event | None = None, is_failing: bool = False
    ) -> None:
        super().__init__(store)
        self.rows = (replace(row, id=number + 1) for number, row in enumerate(charged(count, 0)))
        self.pages = 0
        self.gate = gate
        self.is_failing = is_failing

    async def sessions(self, wanted: Any, *, limit: int, newest_first: bool, after: Any) -> Sequence[SessionRow]:
        self.pages += 1
        if self.pages == 2 and self.is_failing:
            raise StoreUnavailable("the database is gone")
        if self.pages == 2 and self.gate is not None:
            await self._executor.run(self.gate.wait, 30)
        return list(islice(self.rows, limit))


@pytest.fixture
def store_of(api: RunningApi) -> Iterator[Any]:
    """A function that puts another store into the running api until the test ends."""
    whole = api.app.ctx.deps
    for name in ("admin", "driver"):
        api.login(name)  # by the real store
    under = open_store(api.settings.database_url)

    def put(*args: Any, **knobs: Any) -> LongStore:
        store = LongStore(under, *args, **knobs)
        api.app.ctx.deps = replace(whole, store=store)
        return store

    yield put
    api.app.ctx.deps = whole
    under.close()


def test_the_first_lines_arrive_before_the_last_are_read(api: RunningApi, store_of: Any) -> None:
    """A file is sent as it is made."""
    gate = threading.Event()
    store = store_of(900, gate=gate)
    with api.lan.stream("GET", "/api/v1/sessions.csv", headers=api.login("admin")) as answer:
        pieces = answer.iter_bytes()
        first = next(pieces)
        assert first.startswith(b"Nr.")
        eventually(lambda: store.pages == 2, what="the page that waits having been asked for")
        gate.set()
        whole = first + b"".join(pieces)
    assert whole.count(b"\r\n") == 901


def test_ten_records_of_one_user_starve_nobody(api: RunningApi, store_of: Any) -> None:
    """They come in turns or are refused for the moment; another user's record is made while they wait."""
    gate = threading.Event()
    store_of(900, gate=gate)
    with ThreadPoolExecutor(10) as pool:
        heap = [pool.submit(api.get, "/api/v1/sessions.pdf", "admin") for _ in range(10)]
        refused = eventually(lambda: [task.result() for task in heap if task.done()], what="the refusals")
        assert {problem(answer)["code"] for answer in refused} == {"overloaded"}
        assert all("retry-after" in answer.headers for answer in refused)
        api.app.ctx.deps = replace(api.app.ctx.deps, store=store_of(100))
        assert api.get("/api/v1/sessions.pdf", "driver").status_code == 200
        gate.set()
        codes = sorted(task.result().status_code for task in heap)
    assert codes[0] == 200
    assert codes.count(503) >= 5
    assert set(codes) <= {200, 503}


@pytest.mark.parametrize(("ending", "most"), [("csv", 3000), ("xlsx", 1500)])
def test_memory_does_not_grow_with_the_years(api: RunningApi, store_of: Any, ending: str, most: int) -> None:
    """Several times as many sessions, the same room."""

    def download(count: int) -> tuple[int, int]:
        store_of(count)
        size = 0
        tracemalloc.reset_peak()
        url = f"/api/v1/sessions.{ending}"
        with api.lan.stream("GET", url, headers=api.login("admin"), timeout=60) as answer:
            assert answer.status_code == 200
            for piece in answer.iter_bytes():
                size += len(piece)
        return size, tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        download(200)  # what is made once and stays
        small, few = download(500)
        large, many = download(most)
    finally:
        tracemalloc.stop()
    assert large > 2.5 * small
    assert many - few < 400_000, f"{few} bytes for {small}, {many} for {large}"


@pytest.mark.parametrize("ending", ["csv", "xlsx", "pdf"])
def test_an_outage_is_never_a_whole_file(api: RunningApi, store_of: Any, temporary: Path, ending: str) -> None:
    """What was not begun is a problem; what was begun is cut off, so that nobody takes it for whole."""
    for client in (api.lan, api.relay):
        store_of(900, is_failing=True)
        if ending == "csv":
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"/api/v1/sessions.{ending}", headers=api.login("driver"))
        else:
            answer = client.get(f"/api/v1/sessions.{ending}", headers=api.login("driver"))
            assert problem(answer)["code"] == "store_unavailable"
    eventually(lambda: not list(temporary.iterdir()))
    assert api.lan.get("/healthz").status_code == 200


def test_who_leaves_early_leaves_nothing(api: RunningApi, store_of: Any, temporary: Path) -> None:
    """Neither a workbook nor its place in the queue."""
    gate = threading.Event()
    for _ in range(MOST_WORKBOOKS + 1):
        store_of(900, gate=gate)
        with pytest.raises(httpx.ReadTimeout):
            api.lan.get("/api/v1/sessions.xlsx", headers=api.login("admin"), timeout=0.3)
        eventually(lambda: not list(temporary.iterdir()))
    gate.set()
    store_of(900)
    assert api.lan.get("/api/v1/sessions.xlsx", headers=api.login("admin"), timeout=30).status_code == 200
