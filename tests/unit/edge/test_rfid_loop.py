"""The RFID loop with a database, a queue and a disk that can be away: nothing is lost, nothing is done twice."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from common.clock import SystemClock
from common.commands import Command, CommandRecord, Status, accepted
from common.errors import RedisUnavailable, StoreUnavailable
from common.health import Health
from common.health import Status as HealthStatus
from common.model import ChargePoint, Meta, Mode, SiteState, Snapshot
from common.profiles import SITE_WIDE_REFUSED, Book, Owner, Profile
from common.store.rows import ScanRow
from edge import profiles
from edge.adapters.rfid_file import RfidFile
from edge.loops.rfid import COMPONENT, Inbox, RfidLoop
from edge.scans import Discard, Scan
from tests.kit.waiting import eventually

CARD = "04A3B2C100"
TOPIC = "openWB/lp/1/lastRfId"


class CardsDouble:
    """The database. Knobs: `is_away`; `learner`, who waits for a card."""

    def __init__(self) -> None:
        self.is_away = False
        self.learner: str | None = None
        self.book_ = Book(
            {CARD: Owner("anna", "driver", False)}, [Profile(id=1, name="one", user="anna", wishes={"mode": "instant"})]
        )
        self.rows: dict[str, ScanRow] = {}

    def book(self) -> Book:
        self._answer()
        return self.book_

    def learn(self, tag: str, now: int) -> str | None:
        self._answer()
        learner, self.learner = self.learner, None
        return learner

    def save(self, rows: Sequence[ScanRow]) -> None:
        self._answer()
        self.rows |= {row.key: row for row in rows}

    def outcomes(self) -> list[str]:
        return [row.outcome for row in self.rows.values()]

    def _answer(self) -> None:
        if self.is_away:
            raise StoreUnavailable("away")


class WishesDouble:
    """The queue, and a wallbox that does as it is told. Knobs: `is_away`, `verdict`, `is_slow`."""

    def __init__(self, site: "Site") -> None:
        self.is_away = False
        self.is_slow = False
        self.verdict = Status.CONFIRMED
        self.submitted: list[Command] = []
        self._site = site
        self._records: dict[str, CommandRecord] = {}

    def submit(self, command: Command) -> None:
        self._answer()
        if command.id in self._records:
            return
        self.submitted.append(command)
        mode = command.wishes["mode"]
        observed = {"mode": mode} if self.verdict is Status.CONFIRMED else {}
        previous = {"mode": self._site.mode.value}
        record = replace(accepted(command), status=self.verdict, observed=observed, previous=previous)
        self._records[command.id] = record
        if observed:
            self._site.mode = Mode(mode)

    def record(self, command_id: str) -> CommandRecord | None:
        self._answer()
        record = self._records.get(command_id)
        return replace(record, status=Status.PUBLISHED) if record is not None and self.is_slow else record

    def _answer(self) -> None:
        if self.is_away:
            raise RedisUnavailable("away")


class Site:
    """A loop and all around it; `edge` runs it, again and again."""

    def __init__(self, folder: Path) -> None:
        self.mode = Mode.PV
        self.is_plugged = True
        self.others: dict[str, ChargePoint] = {}
        self.cards = CardsDouble()
        self.wishes = WishesDouble(self)
        self.health = Health(SystemClock())
        self.file = folder / "rfid.json"
        self.heard: list[Scan] = []
        self.discarded: list[Discard] = []
        self.announced: list[Mapping[str, Any]] = []
        self.inbox = Inbox(self.health)

    def snapshot(self) -> Snapshot:
        point = ChargePoint(is_plugged=self.is_plugged, mode=self.mode)
        state = SiteState(meta=Meta(generation="1.9", is_stale=False), charge_points={"1": point, **self.others})
        return Snapshot(seq=1, updated_at=time.time(), state=state)

    def scan(self, tag: str = CARD, *, retained: bool = False, ago_s: int = 0) -> str:
        """What a wallbox says of a card; the payload."""
        payload = f"{tag},{int(time.time()) - ago_s}"
        self.inbox.hear(TOPIC, payload.encode(), retained)
        return payload

    @contextmanager
    def edge(self) -> Iterator[None]:
        self.inbox = Inbox(self.health)
        listeners = [_broken, self.heard.append]
        loop = RfidLoop(
            *(self.inbox, RfidFile(self.file), self.cards, self.wishes, self.snapshot, listeners),
            *({"1.9": frozenset({"mode"})}, ZoneInfo("Europe/Berlin"), self.health, SystemClock()),
            announce=self.announced.append,
            on_discard=[_broken, self.discarded.append],
        )
        stop = threading.Event()
        thread = threading.Thread(target=loop.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)

    def until(self, *outcomes: str) -> None:
        try:
            eventually(lambda: self.cards.outcomes() == list(outcomes), 20)
        except AssertionError:
            raise AssertionError(f"{self.cards.rows}; {self.heard}") from None


def _broken(_heard: Scan | Discard) -> None:
    raise ValueError("a listener with a bug")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(profiles, "UNPLUG_SETTLES_S", 0.2)
    monkeypatch.setattr("edge.scans.SETTLE_S", 0.1)
    monkeypatch.setattr("edge.loops.rfid.LOOK_S", 0.02)
    return Site(tmp_path)


def test_restarts_lose_nothing_and_repeat_nothing(site: Site) -> None:
    """Between scan, profile and unplug; what the broker had retained is said again each time."""
    with site.edge():
        payload = site.scan()
        site.until("applied")
    for _ in range(2):
        with site.edge():
            site.inbox.hear(TOPIC, payload.encode(), True)
            eventually(lambda: site.health.components()[COMPONENT].status is HealthStatus.OK, 5)
    assert site.mode is Mode.INSTANT
    with site.edge():
        site.is_plugged = False
        site.until("restored")
    assert (site.mode, len(site.heard), len(site.wishes.submitted)) == (Mode.PV, 1, 2)
    assert [event["outcome"] for event in site.announced] == ["waiting", "applying", "applied", "restoring", "restored"]
    assert {event["charge_point"] for event in site.announced} == {"1"}
    assert not [event for event in site.announced if CARD in str(event)]  # everybody may watch the live channel
    assert [(one.origin, one.by, one.charge_point) for one in site.wishes.submitted] == [("rfid", "anna", "1")] * 2


def test_a_card_that_the_wallbox_refuses_is_told_after_its_scan(site: Site) -> None:
    """Whoever charges next does not charge with it; a listener with a bug stops nobody."""
    with site.edge():
        site.inbox.hear("openWB/lp/1/tagScanInfo", f"{int(time.time())},{CARD},0".encode(), False)
        eventually(lambda: site.discarded, 10)
    assert [scan.tag for scan in site.heard] == [CARD]
    assert site.discarded == [Discard(CARD, "1")]


def test_a_limited_users_card_leaves_the_whole_sites_mode_alone(site: Site) -> None:
    """openWB 1.9 has one mode for all charge points; the scan says why nothing was done."""
    known = site.cards.book_.profiles
    site.cards.book_ = Book({CARD: Owner("anna", "driver", False, charge_points=("1",))}, known)
    site.others = {"2": ChargePoint(is_plugged=True)}
    with site.edge():
        site.scan()
        site.until("not_allowed")
    (row,) = site.cards.rows.values()
    assert row.detail is not None
    assert SITE_WIDE_REFUSED in row.detail
    assert (site.wishes.submitted, site.mode) == ([], Mode.PV)


def test_a_database_that_is_away(site: Site) -> None:
    """Profiles read before still serve, and the scan is delivered later."""
    with site.edge():
        site.scan("FF")
        site.until("unknown")
        site.cards.is_away = True
        site.scan()
        eventually(lambda: site.mode is Mode.INSTANT, 20)
        assert site.cards.outcomes() == ["unknown"]
        site.cards.is_away = False
        site.until("unknown", "applied")


def test_without_profiles_from_before_a_scan_waits_a_minute(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is back by then is in time; else the scan did nothing, and says so, when it can."""
    site.cards.is_away = True
    with site.edge():
        site.scan()
        eventually(lambda: site.heard, 20)
        site.cards.is_away = False
        site.until("applied")
    site.file.unlink()
    site.cards.rows.clear()
    site.cards.is_away = True
    monkeypatch.setattr(profiles, "PROFILES_WITHIN_S", 0.3)
    with site.edge():
        site.scan(ago_s=3)
        eventually(lambda: site.health.counters().get("rfid_profiles_unknown") == 1, 20)
        site.cards.is_away = False
        site.until("profiles_unknown")


def test_a_redis_that_is_away(site: Site) -> None:
    """The command is handed over when it is back, once."""
    site.wishes.is_away = True
    with site.edge():
        site.scan()
        site.until("applying")
    with site.edge():
        site.wishes.is_away = False
        site.until("applied")
    assert len(site.wishes.submitted) == 1


def test_a_wallbox_that_refuses(site: Site) -> None:
    """The scan tells; nothing is put back on unplug."""
    site.wishes.verdict = Status.REJECTED
    with site.edge():
        site.scan()
        site.until("rejected")
        site.is_plugged = False
        site.scan("FF")
        site.until("rejected", "unknown")
    assert len(site.wishes.submitted) == 1


def test_cards_one_after_the_other(site: Site) -> None:
    """The second one waits for the first one's command, so that in the end the very first mode comes back."""
    site.cards.book_ = replace(
        site.cards.book_,
        owners=dict.fromkeys((CARD, "B1"), Owner("anna", "driver", False)),
        profiles=[
            Profile(id=1, name="one", user="anna", tag=CARD, wishes={"mode": "instant"}),
            Profile(id=2, name="two", user="anna", tag="B1", wishes={"mode": "stop"}),
        ],
    )
    site.wishes.is_slow = True
    with site.edge():
        site.scan()
        site.scan("B1")
        site.until("applying", "waiting")
        eventually(lambda: site.wishes.submitted, 20)
        site.wishes.is_slow = False
        site.until("applied", "applied")
        assert [one.wishes["mode"] for one in site.wishes.submitted] == ["instant", "stop"]
        site.is_plugged = False
        site.until("applied", "restored")
    assert site.mode is Mode.PV
    assert len(site.wishes.submitted) == 3


def test_unknown_learnt_and_late(site: Site) -> None:
    """Whoever waits for a card gets the next unknown one; what is too old does nothing at all."""
    site.cards.learner = "bert"
    with site.edge():
        site.scan("AA01")
        site.until("learned")
        site.scan("AA02")
        site.until("learned", "unknown")
        site.scan(ago_s=600, retained=True)
        site.until("learned", "unknown", "late")
    assert site.wishes.submitted == []
    assert site.health.counters()["rfid_unknown"] == 1


def test_no_log_has_a_tag(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor its end but two characters; whatever happens to it."""
    site.cards.is_away = True
    with site.edge():
        site.scan()
        site.scan("0815NOBODY")
        site.inbox.hear(TOPIC, b"04A3B2C100,\xff", False)
        eventually(lambda: len(site.heard) == 2, 20)
        site.cards.is_away = False
        site.until("applied", "unknown")
    out = "".join(capsys.readouterr())
    assert "card_scanned" in out
    assert CARD not in out
    assert "0815NOBODY" not in out


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"visits": [{"key": 1}]}', b"\x00" * 100], ids=["empty", "cut", "of another form", "zeros"]
)
def test_a_damaged_file_is_set_aside(site: Site, content: bytes) -> None:
    """And a new one begun."""
    site.file.write_bytes(content)
    with site.edge():
        site.scan()
        site.until("applied")
    assert site.file.with_name("rfid.json.damaged").read_bytes() == content
    assert site.file.stat().st_mode & 0o077 == 0


def test_a_disk_that_fails(tmp_path: Path, site: Site) -> None:
    """Cards go on working; health says that a restart would forget."""
    site.file = tmp_path / "no folder" / "rfid.json"
    with site.edge():
        site.scan()
        site.until("applied")
    assert site.health.components()[COMPONENT].status is HealthStatus.FAILING
