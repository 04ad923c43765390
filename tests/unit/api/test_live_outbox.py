"""The outbox of a live connection, as a transcript, and against a model of a client."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.fields import selection
from api.live import Outbox


def started(seq: int = 10, fields: str | None = None) -> Outbox:
    outbox = Outbox(selection(fields)) if fields else Outbox()
    outbox.snapshot_told(seq, is_stale=False)
    return outbox


def test_changes_come_out_as_they_went_in() -> None:
    """And nothing is told twice."""
    outbox = started()
    outbox.put(11, {"grid.power_w": 1})
    assert outbox.take() == {"type": "change", "seq": 11, "changes": {"grid.power_w": 1}}
    assert outbox.take() is None
    assert not outbox.has_news()


def test_the_newest_value_of_each_path_wins() -> None:
    """With the newest number."""
    outbox = started()
    outbox.put(11, {"grid.power_w": 1, "home.power_w": 5})
    outbox.put(12, {"grid.power_w": 2})
    assert outbox.take() == {"type": "change", "seq": 12, "changes": {"home.power_w": 5, "grid.power_w": 2}}


def test_what_the_snapshot_had_already_is_not_told_again() -> None:
    """Changes that come in while the snapshot is read."""
    outbox = Outbox()
    outbox.put(11, {"grid.power_w": 1})
    outbox.put(12, {"grid.power_w": 2})
    outbox.put(13, {"home.power_w": 3})
    outbox.snapshot_told(12, is_stale=False)
    assert outbox.take() == {"type": "change", "seq": 13, "changes": {"home.power_w": 3}}
    outbox.put(12, {"grid.power_w": 2})
    assert outbox.take() is None


def test_a_part_that_is_gone_takes_what_was_below_it() -> None:
    """And values that came after it stay after it."""
    outbox = started()
    outbox.put(11, {"battery.power_w": 1, "battery.soc_percent": 2})
    outbox.put(12, {"battery": None})
    outbox.put(13, {"battery.power_w": 7})
    message = outbox.take()
    assert message is not None
    assert list(message["changes"].items()) == [("battery", None), ("battery.power_w", 7)]


def test_a_selection_hides_all_but_itself_and_staleness() -> None:
    """The null of a part above a selected path is told."""
    outbox = started(fields="battery.power_w")
    outbox.put(11, {"grid.power_w": 1, "battery.soc_percent": 3})
    assert outbox.take() is None
    outbox.put(12, {"battery": None, "grid": None, "site.openwb_version": "x"})
    message = outbox.take()
    assert message is not None
    assert message["changes"] == {"battery": None, "site.openwb_version": "x"}


def test_staleness_is_told_once_with_the_number_the_client_knows() -> None:
    """It is no change of the edge's."""
    outbox = started()
    outbox.put_staleness(True)
    outbox.put_staleness(True)
    assert outbox.take() == {"type": "change", "seq": 10, "changes": {"is_stale": True}}
    assert outbox.take() is None
    outbox.put_staleness(False)
    outbox.put_staleness(True)
    assert not outbox.has_news()


def test_lost_changes_ask_for_a_snapshot() -> None:
    """And void what was pending."""
    outbox = started()
    outbox.put(11, {"grid.power_w": 1})
    outbox.start_over()
    assert outbox.needs_snapshot
    outbox.snapshot_told(30, is_stale=True)
    assert outbox.take() is None


PATHS = ("grid.power_w", "battery", "battery.power_w", "battery.soc_percent", "home.power_w")


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
            st.dictionaries(st.sampled_from([path for path in PATHS if path != "battery"]), st.integers(), max_size=3)
            | st.just({"battery": None}),
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
        outbox.put(seq, changes)
        applied(quick, changes)
        assert len(outbox._pending) <= len(PATHS)
        if takes and (message := outbox.take()):
            assert message["seq"] == seq
            applied(slow, message["changes"])
    last = outbox.take()
    if last:
        applied(slow, last["changes"])
    assert slow == quick
