"""From topics to scans: each once, with its charge point, and no retained message for a new one."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.openwb import rfid
from edge.openwb.parsing import Unreadable
from edge.scans import FRESH_S, SETTLE_S, Discard, Memory, Scan, Scans

NOW = 1_795_420_810.0
LAST = "openWB/system/lastRfId"
WAITING = "openWB/chargepoint/3/get/rfid"
STAMP = "openWB/chargepoint/3/get/rfid_timestamp"
BOUND = "openWB/chargepoint/3/set/rfid"


class Reader:
    """A wallbox, and what is heard of it."""

    def __init__(self, memory: Memory | None = None, now: float = NOW) -> None:
        self.scans = Scans(memory or Memory())
        self.now = now
        self.heard: list[Scan] = []

    def say(self, topic: str, payload: str, *, retained: bool = False) -> None:
        said = rfid.read(topic, payload.encode())
        self.scans.hear(topic, said, is_retained=retained, now=self.now, uptime=self.now)

    def wait(self, seconds: float = SETTLE_S + 0.1) -> list[Scan]:
        """What was given out meanwhile."""
        self.now += seconds
        new = self.scans.due(self.now, self.now)
        self.heard += new
        return new

    def restarted(self, after_s: float = 5.0) -> "Reader":
        """With what was kept, as it stands in the file."""
        memory = msgspec.json.decode(msgspec.json.encode(self.scans.memory), type=Memory)
        return Reader(memory, self.now + after_s)


def test_a_card_of_1_9_shows_in_several_topics_and_is_one_scan() -> None:
    """In any order; whoever knows the charge point tells it."""
    for topics in (
        [(LAST, f"00A1,{int(NOW)}"), ("openWB/lp/2/lastRfId", f"00A1,{int(NOW)}")],
        [("openWB/lp/2/tagScanInfo", f"{int(NOW) + 1},00A1,1"), (LAST, f"00A1,{int(NOW)}")],
        [(LAST, f"00A1,{NOW + 0.25}"), ("openWB/lp/2/lastRfId", "00A1")],
    ):
        reader = Reader()
        for topic, payload in topics:
            reader.say(topic, payload)
        [scan] = reader.wait()
        assert (scan.tag, scan.charge_point, scan.is_fresh) == ("00A1", "2", True)
        assert abs(scan.scanned_at - NOW) <= 1
        for topic, payload in topics:
            reader.say(topic, payload)
            reader.say(topic, payload, retained=True)
        assert reader.wait() == []


def test_the_same_card_twice_is_two_scans() -> None:
    """In both generations."""
    reader = Reader()
    for _ in range(2):
        reader.say(LAST, f"00A1,{int(reader.now)}")
        reader.wait(10)
    assert len(reader.heard) == 2
    reader = Reader()
    for _ in range(2):
        reader.say(WAITING, '"00A1"')
        reader.say(WAITING, "null")
        reader.wait(10)
    assert [scan.charge_point for scan in reader.heard] == ["3", "3"]


def test_a_tag_of_2_that_waits_and_is_bound_is_one_scan() -> None:
    """It is said in each control cycle, then it moves; also after a restart of ours in between."""
    reader = Reader()
    reader.say(WAITING, '"00A1"')
    [scan] = reader.wait()
    assert scan == Scan("00A1", NOW, "3")
    for _ in range(20):
        reader.say(WAITING, '"00A1"')
        reader.say(STAMP, str(NOW + 2))
        reader.wait(10)
    assert reader.scans.is_held("00A1", "3")
    reader = reader.restarted()
    reader.say(WAITING, '"00A1"', retained=True)
    reader.say(STAMP, str(NOW + 2), retained=True)
    reader.say(BOUND, '"00A1"')
    reader.say(WAITING, "null")
    reader.wait(10)
    assert reader.heard == []
    assert not reader.scans.is_held("00A1", "3")


def test_what_a_broker_retained_is_no_new_scan() -> None:
    """On a reconnect and after a restart; what happened meanwhile is fresh only if it is young."""
    reader = Reader()
    reader.say(LAST, f"00A1,{int(NOW)}")
    reader.wait()
    reader.say(LAST, f"00A1,{int(NOW)}", retained=True)
    reader = reader.restarted()
    reader.say(LAST, f"00A1,{int(NOW)}", retained=True)
    assert reader.wait() == []
    reader.say(LAST, f"00B2,{int(NOW)}", retained=True)
    assert [scan.is_fresh for scan in reader.wait()] == [True]
    reader = reader.restarted(FRESH_S + 60)
    reader.say(LAST, f"00C3,{int(NOW)}", retained=True)
    assert reader.wait() == [Scan("00C3", float(int(NOW)), None, is_fresh=False)]


def test_what_is_retained_on_2_has_its_instant_beside_it() -> None:
    """In whatever order both come; without one, and bound to a session, nobody knows when it was."""
    for order in ((WAITING, STAMP), (STAMP, WAITING)):
        reader = Reader()
        for topic in order:
            reader.say(topic, '"00A1"' if topic == WAITING else str(NOW - 30), retained=True)
        assert reader.wait() == [Scan("00A1", NOW - 30, "3")]
        reader = Reader()
        for topic in order:
            reader.say(topic, '"00A1"' if topic == WAITING else str(NOW - FRESH_S - 5), retained=True)
        assert [scan.is_fresh for scan in reader.wait()] == [False]
    reader = Reader()
    reader.say(BOUND, '"00A1"', retained=True)
    assert [scan.is_fresh for scan in reader.wait()] == [False]


def test_leftovers_without_an_instant_are_of_no_day() -> None:
    """1.9's mode 2 never clears the tag of a charge point; what is said while we listen is new."""
    reader = Reader()
    reader.say("openWB/lp/1/lastRfId", "00A1", retained=True)
    assert reader.wait() == []
    reader.say("openWB/lp/1/lastRfId", "00A1")
    assert reader.wait() == []
    reader.say("openWB/lp/1/lastRfId", "00B2")
    assert reader.wait() == [Scan("00B2", reader.heard[-1].scanned_at, "1")]


def test_a_boot_of_the_wallbox_is_no_scan() -> None:
    """1.9 says 0 then, and publishes everything anew."""
    reader = Reader()
    reader.say(LAST, f"00A1,{int(NOW)}")
    reader.wait()
    for payload in ("0", "", "0", f"00A1,{int(NOW)}"):
        reader.say(LAST, payload)
    assert reader.wait() == []


def test_tags_stay_text() -> None:
    """Leading zeros, long digits, exponents, quotes or not."""
    for tag in ("0004", "12345678901234567890123", "1e5", "04:A3:B2", "null0", "true"):
        assert rfid.read(WAITING, json.dumps(tag).encode()).tag == tag
        assert rfid.read(WAITING, tag.encode()).tag == tag
        assert rfid.read(LAST, f"{tag},1795420810.5".encode()).tag == tag


@pytest.mark.parametrize(
    "payload", [b"\xff", b"a" * 300, b'"\\u0000"', b"{}", b"[1]", b"a,b,c,d", "А1".encode(), b"=1"]
)
def test_what_is_no_tag_is_dropped(payload: bytes) -> None:
    """Whatever a broker sends."""
    for topic in (LAST, WAITING):
        with pytest.raises(Unreadable):
            rfid.read(topic, payload)


@given(st.binary(max_size=220), st.sampled_from([LAST, WAITING, STAMP, BOUND, "openWB/lp/1/tagScanInfo", "x"]))
def test_nothing_else_escapes(payload: bytes, topic: str) -> None:
    """Any bytes on any topic: read, or Unreadable."""
    try:
        said = rfid.read(topic, payload)
    except Unreadable:
        return
    assert said.tag is None or said.tag.isascii()


_MESSAGES = st.tuples(
    st.sampled_from([LAST, "openWB/lp/1/lastRfId", WAITING, STAMP, BOUND]),
    st.sampled_from(["A1", "B2", "0", ""]),
    st.integers(-400, 400),
    st.booleans(),
)


@given(st.lists(_MESSAGES, max_size=30))
def test_whatever_was_said_is_no_news_the_second_time(messages: list[tuple[str, str, int, bool]]) -> None:
    """All that a broker can have retained of it, delivered again, after a restart: no scan."""
    reader = Reader()
    newest: dict[str, str] = {}
    for topic, tag, ago, retained in messages:
        payload = (
            f"{tag},{int(NOW) - ago}" if topic.startswith(("openWB/s", "openWB/lp")) and tag not in ("0", "") else tag
        )
        payload = str(NOW - ago) if topic == STAMP else payload
        reader.say(topic, payload, retained=retained)
        newest[topic] = payload
        reader.wait()
    reader = reader.restarted()
    for topic, payload in newest.items():
        reader.say(topic, payload, retained=True)
    assert reader.wait() == []


class TestThrownAway:
    """A tag that waits no more and was bound to no session: the wallbox charges nothing with it."""

    def test_after_five_minutes_without_a_plug(self) -> None:
        reader = Reader()
        reader.say(WAITING, '"00A1"')
        [scan] = reader.wait()
        assert reader.scans.thrown_away(reader.now) == []
        reader.say(WAITING, "null")
        assert reader.scans.is_arriving
        reader.wait()
        assert reader.scans.thrown_away(reader.now) == [Discard(scan.tag, "3")]
        assert reader.scans.thrown_away(reader.now) == []
        assert not reader.scans.is_arriving

    @pytest.mark.parametrize("is_bound_first", [True, False])
    def test_not_if_it_was_bound(self, is_bound_first: bool) -> None:
        """Both topics change in one control cycle, in either order."""
        reader = Reader()
        reader.say(WAITING, '"00A1"')
        reader.wait()
        words = [(BOUND, '"00A1"'), (WAITING, "null")]
        for topic, word in words if is_bound_first else words[::-1]:
            reader.say(topic, word)
        reader.wait()
        assert reader.scans.thrown_away(reader.now) == []

    def test_by_another_card(self) -> None:
        """The wallbox keeps one at a time."""
        reader = Reader()
        reader.say(WAITING, '"00A1"')
        reader.wait()
        reader.say(WAITING, '"00B2"')
        reader.wait()
        assert reader.scans.thrown_away(reader.now) == [Discard("00A1", "3")]

    def test_while_the_edge_was_down(self) -> None:
        """What the file has of the topic tells; a retained emptiness alone does not."""
        reader = Reader()
        reader.say(WAITING, '"00A1"')
        reader.wait()
        again = reader.restarted()
        again.say(WAITING, "null", retained=True)
        again.wait()
        assert again.scans.thrown_away(again.now) == [Discard("00A1", "3")]
        fresh = Reader()
        fresh.say(WAITING, "null", retained=True)
        fresh.wait()
        assert fresh.scans.thrown_away(fresh.now) == []

    def test_one_that_1_9_refuses_at_this_charge_point(self) -> None:
        """It is a scan all the same: somebody may be learning it."""
        for result, expected in (("0", [Discard("00A1", "2")]), ("1", [])):
            reader = Reader()
            reader.say("openWB/lp/2/tagScanInfo", f"{int(NOW)},00A1,{result}")
            assert len(reader.wait()) == 1
            assert reader.scans.thrown_away(reader.now) == expected
