"""What must never leave the wallbox: no subscription reaches it, and what shares a topic with it is cut out.

The lists are those of the two reference pages: secrets in section 6 of each, and what is personal.
"""

import json

import pytest

from edge.mirror import Mirror
from edge.openwb import rfid, v1, v2
from edge.openwb.dialect import Dialect
from edge.openwb.parsing import SkipReason
from tests.kit.private_topics import FORBIDDEN, MARK, MIXED, concrete

DIALECTS = {dialect.generation: dialect for dialect in (v1.DIALECT, v2.DIALECT)}

each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def _overlap(one: list[str], other: list[str]) -> bool:
    """Whether a topic exists that both filters match."""
    if "#" in (one[:1] + other[:1]):
        return True
    if not one or not other:
        return one == other or (one or other)[0] == "#"
    matches = one[0] == other[0] or "+" in (one[0], other[0])
    return matches and _overlap(one[1:], other[1:])


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("a/+/c", "a/b/+", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/+", "a/b/c", False),
        ("+/b", "a/c", False),
    ],
)
def test_overlap(one: str, other: str, answer: bool) -> None:
    assert _overlap(one.split("/"), other.split("/")) is answer


@each_dialect
@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_no_subscription_reaches_it(dialect: Dialect, forbidden: str) -> None:
    """Not even across the line: that a broker may send more than was asked for is the second guard's matter."""
    for subscription in dialect.subscriptions():
        assert not _overlap(subscription.split("/"), forbidden.split("/")), subscription


@each_dialect
@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_it_is_dropped_if_it_comes(dialect: Dialect, forbidden: str) -> None:
    mirror = Mirror(dialect)
    messages = {topic: MARK.encode() for topic in concrete(forbidden)}
    update = mirror.apply(messages, 1752816615)
    assert {skip.reason for skip in update.skipped} == {SkipReason.NOT_ALLOWED}
    assert (mirror.raw, mirror.snapshot()) == ({}, None)


@pytest.mark.parametrize("topic", MIXED)
def test_what_shares_a_topic_with_it_is_cut_out(topic: str) -> None:
    """Of an object only named members are kept, whatever else a later release puts beside them."""
    mirror = Mirror(v2.DIALECT)
    mirror.apply({topic: json.dumps(MIXED[topic] | {"new_member": MARK}).encode()}, 1752816615)
    assert topic in mirror.raw
    assert MARK not in str((mirror.raw, mirror.snapshot()))


@pytest.mark.parametrize("tag", [MARK, "0004A376A2", "04:a3:b2", "4711", "ABCDEF", "00000000"])
@pytest.mark.parametrize(
    "sentence",
    [
        "Dem ID-Tag {} ist kein Fahrzeug zugeordnet. Keine Ladung, da: der Ladepunkt gesperrt wurde.",
        "Der ID-Tag '{}' wurde verworfen, da bereits eine Ladung läuft.",
        'RFID-Tag: "{}".',
    ],
)
def test_a_sentence_about_a_tag_does_not_name_it(sentence: str, tag: str) -> None:
    """openWB 2.x tells people why it threw one away; the rest of the sentence stays."""
    mirror = Mirror(v2.DIALECT)
    topic = "openWB/chargepoint/3/get/state_str"
    mirror.apply({topic: json.dumps(sentence.format(tag)).encode()}, 1752816615)
    assert tag not in str((mirror.raw, mirror.snapshot()))
    assert json.loads(mirror.raw[topic]) == sentence.format("…")


@pytest.mark.parametrize(
    "sentence",
    [
        "Fahrzeug lädt. Ladeleistung 11040 W seit 12:30 Uhr.",
        "Der ID-Tag wurde verworfen.",
        "Ladepunkt 12 ist gesperrt.",
    ],
)
def test_other_sentences_stay_as_they_are(sentence: str) -> None:
    """Numbers that are no tags."""
    assert rfid.without_tags(sentence) == sentence


@pytest.mark.parametrize("subscription", rfid.SUBSCRIPTIONS)
def test_tags_are_asked_for_beside_the_tables(subscription: str) -> None:
    """Each of their topics is on the list above, so no table has it; and no other topic goes their way."""
    assert subscription in FORBIDDEN
    for topic in (*v1.DIALECT.subscriptions(), *v2.DIALECT.subscriptions()):
        assert rfid.generation_of(topic.replace("+", "1")) is None
    others = [topic for forbidden in FORBIDDEN if forbidden not in rfid.SUBSCRIPTIONS for topic in concrete(forbidden)]
    assert {rfid.generation_of(topic) for topic in others} == {None}
