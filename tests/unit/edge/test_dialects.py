"""Both tables under any input: a state or a counted skip, whatever comes in whatever order."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.mirror import MOST_TOPICS, Mirror, Stored
from edge.openwb import v1, v2
from edge.openwb.dialect import Dialect
from edge.openwb.parsing import SkipReason

NOW = 1_795_394_912.0
NUMBERS = (0, 1, 3)
DIALECTS = {dialect.generation: dialect for dialect in (v1.DIALECT, v2.DIALECT)}

each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)

MEMBERS = st.sampled_from(
    (
        *("id", "type", "children", "name", "ev", "_ev", "template", "configuration", "visibility", "charging_type"),
        *("connected_phases", "auto_phase_switch_hw", "chargemode", "selected", "instant_charging", "pv_charging"),
        *("eco_charging", "limit", "amount", "soc", "current", "min_current", "max_price", "phases_to_use", "rfid"),
        *("ev_template", "timestamp", "imported_since_plugged", "max_current_multi_phases", "1795394700"),
    )
)
WORDS = st.sampled_from(
    ("counter", "cp", "bat", "inverter", "stop", "eco_charging", "pv_charging", "none", "soc", "amount", "DC", "Süd")
)
scalars = st.none() | st.booleans() | st.integers(-50, 100_000) | st.floats(width=32) | WORDS | st.text(max_size=8)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS, inner, max_size=5),
    max_leaves=12,
)
hierarchies: st.SearchStrategy[object] = st.recursive(
    st.just([]),
    lambda inner: st.lists(
        st.fixed_dictionaries(
            {"id": st.sampled_from(NUMBERS), "type": st.sampled_from(("counter", "cp", "bat", "inverter"))},
            optional={"children": inner},
        ),
        max_size=3,
    ),
    max_leaves=6,
)
payloads = st.one_of(
    st.sampled_from(
        ["", " ", "0", "1", "2", ".45", "-.5", "true", "false", "null", "NaN", "Infinity", "[1,2,3]", "{}"]
    ),
    documents.map(json.dumps),
    hierarchies.map(json.dumps),
    st.text(max_size=40),
).map(lambda text: text.encode("utf-8", "replace"))
anything = payloads | st.binary(max_size=200)


def _topics(dialect: Dialect) -> list[str]:
    return sorted(
        {
            reading.topic.replace("{n}", str(number))
            for reading in dialect.readings
            for number in NUMBERS
            if number in reading.numbers
        }
    )


TOPICS = {generation: _topics(dialect) for generation, dialect in DIALECTS.items()}


@each_dialect
@given(data=st.data())
def test_any_payload_gives_a_state_or_a_counted_skip(dialect: Dialect, data: st.DataObject) -> None:
    """Whatever an allowed topic carries, each message is kept or skipped with a reason; nothing raises."""
    messages = data.draw(st.dictionaries(st.sampled_from(TOPICS[dialect.generation]), anything, max_size=40))
    mirror = Mirror(dialect)
    update = mirror.apply(messages, NOW)
    assert update.raw.keys() | {skip.topic for skip in update.skipped} == messages.keys()
    assert bool(update.raw) == (mirror.snapshot() is not None)
    mirror.tick(NOW + 1)


@each_dialect
@given(data=st.data(), draw=st.randoms(use_true_random=False))
def test_order_and_batches_do_not_matter(dialect: Dialect, data: st.DataObject, draw: random.Random) -> None:
    """The same retained messages give the same state, however the broker orders and splits them."""
    messages = data.draw(st.dictionaries(st.sampled_from(TOPICS[dialect.generation]), payloads, max_size=60))
    at_once, one_by_one = Mirror(dialect), Mirror(dialect)
    at_once.apply(messages, NOW)
    shuffled = list(messages.items())
    draw.shuffle(shuffled)
    for topic, payload in shuffled:
        one_by_one.apply({topic: payload}, NOW)
    first, second = at_once.snapshot(), one_by_one.snapshot()
    if first is None or second is None:
        assert first is second
        return
    assert first.state == second.state
    assert first.heard_at == second.heard_at
    assert at_once.raw == one_by_one.raw


@each_dialect
@given(data=st.data())
def test_a_restart_changes_nothing(dialect: Dialect, data: st.DataObject) -> None:
    """The raw mirror in Redis, reduced where it must be, gives the same state again."""
    messages = data.draw(st.dictionaries(st.sampled_from(TOPICS[dialect.generation]), payloads, max_size=60))
    mirror, again = Mirror(dialect), Mirror(dialect)
    mirror.apply(messages, NOW)
    snapshot = mirror.snapshot()
    again.adopt(Stored(snapshot, mirror.raw, snapshot.seq if snapshot else 0), NOW)
    assert again.raw == mirror.raw
    assert again.snapshot() == snapshot


@each_dialect
def test_a_flood_of_topics_is_bounded(dialect: Dialect) -> None:
    """Whoever writes to the broker cannot make the mirror grow without end."""
    (pattern, numbers) = max(
        ((reading.topic, reading.numbers) for reading in dialect.readings if "{n}" in reading.topic),
        key=lambda row: len(row[1]),
    )
    flood: dict[str, bytes] = {pattern.replace("{n}", str(number)): b"" for number in numbers}
    mirror = Mirror(dialect)
    update = mirror.apply(flood, NOW)
    assert len(mirror.raw) == min(len(flood), MOST_TOPICS)
    assert all(skip.reason is SkipReason.TOO_MANY_TOPICS for skip in update.skipped)


@each_dialect
def test_gates_and_capabilities_look_at_what_the_table_fills(dialect: Dialect) -> None:
    """A misspelt path would be unknown for ever."""
    filled = {fill.field for reading in dialect.readings for fill in reading.fills}
    for reading in dialect.readings:
        for fill in reading.fills:
            for gate in fill.gates:
                numbered = {path.replace(f".{n}", ".{n}") for n in range(1, 9) for path in gate.paths}
                assert filled & (numbered | set(gate.paths)), (reading.topic, gate)


def test_a_payload_as_deep_as_the_sea_is_no_crash() -> None:
    """Neither the decoder nor the walk through the hierarchy nor what writes it down again may run out of stack."""
    mirror = Mirror(v2.DIALECT)
    deep = {"openWB/counter/get/hierarchy": b"[" * 30_000, "openWB/chargepoint/3/config": b'{"ev":' * 5_000}
    assert {skip.reason for skip in mirror.apply(deep, NOW).skipped} == {
        SkipReason.NOT_A_LIST,
        SkipReason.NOT_AN_OBJECT,
    }
    for levels, skipped in ((100, set()), (400, {SkipReason.NOT_AN_OBJECT})):
        text = "".join('[{"id":1,"type":"counter","children":' for _ in range(levels)) + "[]" + "}]" * levels
        update = mirror.apply({"openWB/counter/get/hierarchy": text.encode()}, NOW)
        assert {skip.reason for skip in update.skipped} == skipped
    nested = '{"id": 1, "chargemode": ' + '{"x":' * 300 + "1" + "}" * 301
    assert mirror.apply({"openWB/chargepoint/3/set/charge_template": nested.encode()}, NOW).skipped
