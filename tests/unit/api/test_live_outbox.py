"""The outbox of a live connection, as a transcript, and against a model of a client."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api import numbers
from api.fields import selection
from api.live import MOST_EVENTS, Outbox, Told


def started(seq: int = 10, fields: str | None = None) -> Outbox:
    outbox = Outbox(selection(fields)) if fields else Outbox()
    outbox.snapshot_told(seq, is_stale=False)
    return outbox


def put(outbox: Outbox, seq: int, changes: Mapping[str, Any]) -> None:
    outbox.put(Told(seq, float(seq), changes))


def put_event(outbox: Outbox, seq: int, subject: str, event: Mapping[str, Any]) -> None:
    outbox.put(Told(seq, float(seq), event=event, subject=subject))


def change(number: int, at_s: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The message; `at_s`: seconds after the epoch."""
    at = f"1970-01-01T00:{at_s // 60:02}:{at_s % 60:02}Z"
    return {"type": "change", "seq": number, "occurred_at": at, "changes": changes}


def test_changes_come_out_as_they_went_in() -> None:
    """And nothing is told twice."""
    outbox = started()
    put(outbox, 11, {"grid.power_w": 1})
    assert outbox.take() == change(1100, 11, {"grid.power_w": 1})
    assert outbox.take() is None
    assert not outbox.has_news()


def test_the_newest_value_of_each_path_wins() -> None:
    """With the newest number."""
    outbox = started()
    put(outbox, 11, {"grid.power_w": 1, "home.power_w": 5})
    put(outbox, 12, {"grid.power_w": 2})
    assert outbox.take() == change(1200, 12, {"home.power_w": 5, "grid.power_w": 2})


def test_what_the_snapshot_had_already_is_not_told_again() -> None:
    """Changes that come in while the snapshot is read."""
    outbox = Outbox()
    put(outbox, 11, {"grid.power_w": 1})
    put(outbox, 12, {"grid.power_w": 2})
    put(outbox, 13, {"home.power_w": 3})
    outbox.snapshot_told(12, is_stale=False)
    assert outbox.take() == change(1300, 13, {"home.power_w": 3})
    put(outbox, 12, {"grid.power_w": 2})
    assert outbox.take() is None


def test_a_part_that_is_gone_takes_what_was_below_it() -> None:
    """And values that came after it stay after it."""
    outbox = started()
    put(outbox, 11, {"battery.power_w": 1, "battery.soc_percent": 2})
    put(outbox, 12, {"battery": None})
    put(outbox, 13, {"battery.power_w": 7})
    message = outbox.take()
    assert message is not None
    assert list(message["changes"].items()) == [("battery", None), ("battery.power_w", 7)]


def test_a_selection_hides_all_but_itself_and_staleness() -> None:
    """The null of a part above a selected path is told."""
    outbox = started(fields="battery.power_w")
    put(outbox, 11, {"grid.power_w": 1, "battery.soc_percent": 3})
    assert outbox.take() is None
    put(outbox, 12, {"battery": None, "grid": None, "site.openwb_version": "x"})
    message = outbox.take()
    assert message is not None
    assert message["changes"] == {"battery": None, "site.openwb_version": "x"}


def test_staleness_is_told_once_with_a_number_of_its_own() -> None:
    """It is no change of the edge's, so its number lies behind the entry that the client knows, and before the next."""
    outbox = started()
    outbox.put_staleness(True, 70.0)
    outbox.put_staleness(True, 70.0)
    assert outbox.take() == change(1001, 70, {"is_stale": True})
    assert outbox.take() is None
    outbox.put_staleness(False, 80.0)
    outbox.put_staleness(True, 90.0)
    assert not outbox.has_news()
    outbox.put_staleness(False, 100.0)
    assert outbox.take() == change(1002, 100, {"is_stale": False})
    put(outbox, 11, {"grid.power_w": 1})
    outbox.put_staleness(True, 110.0)
    assert outbox.take() == change(1100, 110, {"grid.power_w": 1, "is_stale": True})
    outbox.put_staleness(False, 120.0)
    assert outbox.take() == change(1101, 120, {"is_stale": False})


def test_numbers_of_staleness_go_on_where_a_client_resumes() -> None:
    """Also in another process: the number itself says how many there were."""
    outbox = Outbox()
    outbox.told_up_to(*numbers.entry_and_nth(1001))
    outbox.put_staleness(True, 70.0)
    assert outbox.take() == change(1002, 70, {"is_stale": True})


def test_a_snapshot_follows_when_no_number_is_left() -> None:
    """A number is never told twice, and a client that claims the last one gains nothing."""
    outbox = Outbox()
    outbox.told_up_to(10, numbers.ROOM - 1)
    outbox.put_staleness(True, 70.0)
    assert outbox.take() is None
    assert outbox.needs_snapshot


def test_lost_changes_ask_for_a_snapshot() -> None:
    """And void what was pending."""
    outbox = started()
    put(outbox, 11, {"grid.power_w": 1})
    outbox.start_over()
    assert outbox.needs_snapshot
    outbox.snapshot_told(30, is_stale=True)
    assert outbox.take() is None


def test_events_keep_their_place_among_the_changes() -> None:
    """Changes of before it come first, with a number that exists; the newest event about a subject wins."""
    outbox = started(fields="home")
    put(outbox, 11, {"home.power_w": 1})
    put(outbox, 14, {"grid.power_w": 1})
    put_event(outbox, 20, "a", {"step": 1})
    put_event(outbox, 25, "b", {"step": 1})
    put(outbox, 30, {"home.power_w": 3})
    put_event(outbox, 31, "a", {"step": 2})
    assert outbox.take() == {"type": "event", "seq": 2500, "occurred_at": "1970-01-01T00:00:25Z", "event": {"step": 1}}
    assert outbox.take() == change(3000, 30, {"home.power_w": 3})
    assert outbox.has_news()
    assert outbox.take() == {"type": "event", "seq": 3100, "occurred_at": "1970-01-01T00:00:31Z", "event": {"step": 2}}
    assert outbox.take() is None
    assert not outbox.has_news()


def test_too_many_events_make_a_client_start_over() -> None:
    """Its outbox stays bounded, and nothing is left out in silence."""
    outbox = started()
    for number in range(MOST_EVENTS):
        put_event(outbox, 11 + number, str(number), {})
    is_enough = outbox.needs_snapshot
    put_event(outbox, 500, "one more", {})
    assert (is_enough, outbox.needs_snapshot) == (False, True)
    outbox.snapshot_told(500, is_stale=False)
    assert outbox.take() is None


GONE = st.just({"battery": None})
"""A part has no value of its own: it is told only when it goes (`common.model.diff_of_paths`)."""


@given(st.data())
def test_a_client_that_breaks_off_misses_no_change_and_no_event(data: st.DataObject) -> None:
    """It resumes with the last number it was told, wherever that was: numbers exist, grow, and lose nothing."""
    outbox = started(0)
    outbox.put_staleness(False, 0.0)
    told: list[dict[str, Any]] = []
    log: dict[int, dict[str, Any]] = {0: {}}
    for _ in range(data.draw(st.integers(0, 15))):
        seq = max(log) + data.draw(st.integers(1, 3))
        if data.draw(st.booleans()):
            subject = data.draw(st.sampled_from("abc"))
            log[seq] = {"event": {"subject": subject, "at": seq}}
            put_event(outbox, seq, subject, log[seq]["event"])
        else:
            log[seq] = {
                "changes": data.draw(st.dictionaries(st.sampled_from(LEAVES), st.none() | st.integers()) | GONE)
            }
            put(outbox, seq, log[seq]["changes"])
        outbox.put_staleness(data.draw(st.booleans()), float(seq))
        while data.draw(st.booleans()) and (message := outbox.take()):
            told.append(message)
    given_out = [message["seq"] for message in told]
    assert given_out == sorted(set(given_out))
    assert {numbers.entry_and_nth(number)[0] for number in given_out} <= set(log)
    last = numbers.entry_and_nth(given_out[-1])[0] if given_out else 0
    for message in told:
        message.get("changes", {}).pop("is_stale", None)
    missed = [entry for seq, entry in log.items() if seq > last]
    assert applied_all([*told, *missed]) == applied_all(list(log.values()))


def applied_all(messages: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a client knows after these: values, and the newest event of each subject."""
    known: dict[str, Any] = {}
    events: dict[str, Any] = {}
    for message in messages:
        applied(known, message.get("changes", {}))
        if "event" in message:
            events[message["event"]["subject"]] = message["event"]
    return known, events


LEAVES = ("grid.power_w", "battery.power_w", "battery.soc_percent", "home.power_w")


def applied(known: dict[str, Any], changes: dict[str, Any]) -> None:
    """What a client does with changes, in their order."""
    for path, value in changes.items():
        if value is None:
            for below in [item for item in known if item.startswith(f"{path}.")]:
                del known[below]
            known.pop(path, None)
        else:
            known[path] = value


@given(
    entries=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(LEAVES), st.integers(), max_size=3) | GONE,
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_a_slow_client_ends_up_where_a_quick_one_does(entries: list[tuple[dict[str, Any], bool]]) -> None:
    """Whenever it takes, and the outbox stays small."""
    outbox = started(0)
    quick: dict[str, Any] = {}
    slow: dict[str, Any] = {}
    for seq, (changes, takes) in enumerate(entries, start=1):
        put(outbox, seq, changes)
        applied(quick, changes)
        assert len(outbox._pending) <= len(LEAVES) + 1
        if takes and (message := outbox.take()):
            assert message["seq"] == numbers.of_entry(seq)
            applied(slow, message["changes"])
    last = outbox.take()
    if last:
        applied(slow, last["changes"])
    assert slow == quick
