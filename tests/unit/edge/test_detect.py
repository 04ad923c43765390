"""Which generation speaks: living heartbeats before leftovers, and upgrades while we listen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.openwb import v1, v2
from edge.openwb.detect import CLUES, SETTLE_S, UNDECIDED, Detector
from edge.openwb.dialect import Dialect

NOW = 1_795_394_912.0


def _old(seconds_ago: float) -> dict[str, bytes]:
    return {"openWB/system/Timestamp": str(int(NOW - seconds_ago)).encode(), "openWB/system/Version": b"1.9.304"}


def _new(seconds_ago: float) -> dict[str, bytes]:
    return {"openWB/system/time": str(NOW - seconds_ago).encode(), "openWB/system/version": b'"2.3.0"'}


@pytest.mark.parametrize(("messages", "dialect"), [(_old(3), v1.DIALECT), (_new(3), v2.DIALECT)])
def test_a_heartbeat_decides_at_once(messages: dict[str, bytes], dialect: Dialect) -> None:
    detector = Detector()
    assert detector.chosen is UNDECIDED
    assert detector.hear(messages, NOW)
    assert detector.chosen is dialect
    assert not detector.hear(messages, NOW)


def test_leftovers_do_not_win_over_a_heartbeat() -> None:
    """Upgraded in place: the old topics are retained for ever, in whatever order they come."""
    for first, second in ((_old(90_000), _new(3)), (_new(3), _old(90_000))):
        detector = Detector()
        detector.hear(first, NOW)
        detector.hear(second, NOW + SETTLE_S)
        assert detector.chosen is v2.DIALECT


def test_leftovers_of_the_new_one_do_not_win_over_an_old_one_that_lives() -> None:
    """Somebody went back."""
    detector = Detector()
    detector.hear({**_new(90_000), **_old(3)}, NOW)
    assert detector.chosen is v1.DIALECT


def test_without_a_heartbeat_leftovers_decide_after_a_while() -> None:
    """A wallbox that is switched off still has a state: stale, and in its own dialect."""
    detector = Detector()
    assert not detector.hear(_old(90_000), NOW)
    assert not detector.hear({}, NOW + SETTLE_S - 1)
    assert detector.hear({}, NOW + SETTLE_S)
    assert detector.chosen is v1.DIALECT
    both = Detector()
    both.hear({**_old(90_000), **_new(80_000)}, NOW)
    both.hear({}, NOW + SETTLE_S)
    assert both.chosen is v2.DIALECT


def test_a_secondary_has_a_version_and_no_heartbeat() -> None:
    detector = Detector()
    detector.hear({"openWB/system/version": b'"2.3.0"'}, NOW)
    detector.hear({}, NOW + SETTLE_S)
    assert detector.chosen is v2.DIALECT


def test_an_upgrade_is_noticed_once_the_old_one_fell_silent() -> None:
    detector = Detector()
    detector.hear(_old(0), NOW)
    assert not detector.hear({"openWB/system/time": str(NOW + 30).encode()}, NOW + 30)
    assert not detector.hear({"openWB/system/time": str(NOW + 60).encode()}, NOW + 60)
    assert detector.hear({"openWB/system/time": str(NOW + 70).encode()}, NOW + 70)
    assert detector.chosen is v2.DIALECT


def test_silence_changes_nothing() -> None:
    """Who fell silent is stale, not somebody else."""
    detector = Detector()
    detector.hear({**_old(3), **_new(90_000)}, NOW)
    assert not detector.hear({}, NOW + 90_000)
    assert detector.chosen is v1.DIALECT


def test_a_wallbox_with_a_wrong_clock_is_found_by_its_second_beat() -> None:
    detector = Detector()
    detector.hear({"openWB/system/time": b"100.5", **_old(90_000)}, NOW)
    assert detector.hear({"openWB/system/time": b"110.5"}, NOW + 4)
    assert detector.chosen is v2.DIALECT


def test_what_was_so_before_is_assumed_until_something_lives() -> None:
    detector = Detector()
    detector.assume("1.9")
    detector.assume("2.x")
    assert detector.chosen is v1.DIALECT
    assert not detector.hear(_old(90_000), NOW + SETTLE_S)
    assert detector.hear(_new(3), NOW)
    nobody = Detector()
    nobody.assume("3.x")
    assert nobody.chosen is UNDECIDED


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from(sorted(CLUES)), st.binary(max_size=20)), st.floats(0, 1e10))))
def test_anything_may_come(batches: list[tuple[dict[str, bytes], float]]) -> None:
    """Garbage is no reason for anything, and nothing raises."""
    detector = Detector()
    for messages, now in batches:
        detector.hear(messages, now)
