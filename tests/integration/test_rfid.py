"""Cards at both simulated openWBs: real broker, real Redis, the edge as a process, profiles in its database."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.clock import SimulatedClock
from common.profiles import Profile
from common.store import profiles, scans, tags, users
from common.store.bind import open_store
from common.store.rows import ScanFilter, ScanRow
from tests.kit.commanded_site import Site, commanded_site
from tests.kit.waiting import eventually

CARD = "04A3B2C100"
LEARNT = "0815CAFE00"
STRANGE = "0000000077"
FIRST = {"1.9": "1", "2.x": "3"}
SPEED = {"1.9": 10.0, "2.x": 4.0}  # 2.x undoes commands at its five-minute mark: not too often in a test
WISHES = {"mode": "instant", "current_a": 13, "limit": {"type": "energy", "energy_wh": 9000}}


class Cards:
    """A site with cards: its database, and what a person does at the wallbox."""

    def __init__(self, site: Site, point: str) -> None:
        self.site = site
        self.point = point
        self.store = open_store(site.settings["WALLPORT_DATABASE_URL"])

    def scan(self, tag: str) -> None:
        self.site.turn(f"scan/{self.point}", tag)

    def car(self, how: str) -> None:
        self.site.turn(f"car/{self.point}", how)
        eventually(lambda: self.shown("is_plugged") is (how == "plugged"), 40, f"the car being {how}")

    def shown(self, name: str) -> Any:
        snapshot = self.site.state()
        point = snapshot.state.charge_points.get(self.point) if snapshot else None
        return getattr(point, name) if point else None

    def rows(self) -> list[ScanRow]:
        """Oldest first."""
        return scans.find(self.store, ScanFilter(), 100)[::-1]

    def until(self, *outcomes: str) -> ScanRow:
        """The newest scan, when all of them came to this."""
        try:
            eventually(lambda: [row.outcome for row in self.rows()] == list(outcomes), 60)
        except AssertionError:
            raise AssertionError(f"no {outcomes}: {self.rows()}; {self.site.log_file.read_text()[-3000:]}") from None
        return self.rows()[-1]


@pytest.fixture(params=["1.9", "2.x"])
def cards(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cards]:
    now = time.time()
    mark = now // 300 * 300
    clock = SimulatedClock(mark - 86_400 + 20, now, SPEED[request.param])
    with commanded_site(tmp_path, request.param, clock.spec()) as site:
        cards = Cards(site, FIRST[request.param])
        users.add(cards.store, name="anna", password_hash="-", role="driver", created_at=0)
        tags.add(cards.store, "anna", CARD.lower(), None, 0)
        one = Profile(name="now", user="anna", tag=CARD, charge_point=cards.point, wishes=WISHES)
        profiles.save(cards.store, one)
        yield cards
        cards.store.close()


@pytest.mark.timeout(240)
def test_a_week_with_cards(cards: Cards) -> None:
    """Applied, not again by a new session with what the broker retained, put back on unplug; then a wallbox that is
    deaf, and other cards."""
    site = cards.site
    assert site.do(None, mode="pv").status == "confirmed"
    before = {name: cards.shown(name) for name in ("mode", "current_a", "limit")}
    cards.car("plugged")
    cards.scan(CARD)
    row = cards.until("applied")
    assert (row.user, row.charge_point, row.profile) == ("anna", cards.point, "now")
    assert site.record(row.commands[0].id).observed == WISHES
    assert site.record(row.commands[0].id).origin == "rfid"
    assert cards.shown("mode") == "instant"

    site.kill_edge()
    site.start_edge()
    cards.car("away")
    row = cards.until("restored")
    assert {command.status for command in row.commands if command.purpose == "restore"} == {"confirmed"}
    eventually(lambda: {name: cards.shown(name) for name in before} == before, 10)
    assert len(row.commands) <= 3

    cards.scan(STRANGE)
    assert cards.until("restored", "unknown").tag == "…77"
    tags.wait_for_card(cards.store, "anna", "blue", int(time.time()))
    cards.scan(LEARNT)
    cards.until("restored", "unknown", "learned")
    assert tags.owner_of(cards.store, LEARNT) == "anna"

    cards.car("plugged")
    cards.scan(CARD)
    site.turn("deaf", "1")
    row = cards.until("restored", "unknown", "learned", "not_confirmed")
    assert row.commands[0].status == "timed_out"
    assert "did not take it over" in (row.detail or "")
    _no_tag_is_seen(site)


def _no_tag_is_seen(site: Site) -> None:
    """In Redis, whatever the key, and in the edge's log."""
    seen = [site.log_file.read_text(errors="replace")]
    for key in site.redis.scan_iter():
        kind: Any = site.redis.type(key)
        read: Any = {b"string": site.redis.get, b"hash": site.redis.hgetall, b"stream": site.redis.xrange}[kind]
        seen.append(repr(read(key)))
    everything = "".join(seen)
    assert "card_scanned" in everything
    assert not [tag for tag in (CARD, LEARNT, STRANGE) if tag in everything.upper()]
