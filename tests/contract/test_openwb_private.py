"""What must never leave the wallbox: no subscription reaches it, and what shares a topic with it is cut out.

The lists are those of the two reference pages: secrets in section 6 of each, and what is personal.
"""

import contextlib
import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model import flatten
from edge.mirror import Mirror
from edge.openwb import rfid, v1, v2
from edge.openwb.dialect import LONGEST_PAYLOAD, Dialect, Reading
from edge.openwb.discretion import discreet
from edge.openwb.parsing import SkipReason, Unreadable
from tests.kit.private_topics import FORBIDDEN, MARK, MIXED, PLANTED, concrete

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


def _topics(dialect: Dialect) -> list[tuple[Reading, str]]:
    """Every row with a topic of it."""
    topics = []
    for reading in dialect.readings:
        number = max(reading.numbers[0], min(3, reading.numbers[-1]))
        topics.append((reading, reading.topic.replace("{d}", "0").replace("{n}", str(number))))
    return topics


def _payloads(sentence: str, members: Iterable[str]) -> list[str]:
    """The sentence in every form in which a topic may say it: as text, quoted and escaped, and inside of JSON."""
    quoted = json.dumps(sentence)
    nested: Any = {"url": sentence, "config": {"password": "geheim7", "note": sentence}, "parts": [sentence]}
    return [
        sentence,
        quoted,
        json.dumps(sentence, ensure_ascii=False).replace("/", "\\/"),
        "".join(f"\\u{ord(character):04x}" for character in sentence).join('""'),
        f"1795394400,25.3\n{sentence}\n1795398000,26.1",
        json.dumps([sentence, nested]),
        json.dumps([{"id": 1, "type": "counter", "children": [], "name": sentence, "more": nested}]),
        json.dumps({"1795394400": 0.0003, "note": sentence}),
        json.dumps(dict.fromkeys(members, sentence) | {"new_member": nested}),
        json.dumps(dict.fromkeys(members, nested) | {"id": 1}),
        json.dumps({"id": 1, "chargemode": {"selected": "stop", "instant_charging": nested}, "new_member": nested}),
        f'{{"name": {quoted}, "name": "Garage", "soc": {quoted}, "soc": 55}}',
    ]


@each_dialect
@pytest.mark.parametrize("sentence", PLANTED)
def test_no_topic_lets_an_address_or_a_secret_pass(dialect: Dialect, sentence: str) -> None:
    """Whatever the row, and in whatever form it comes: neither the raw mirror nor the state nor the changes show it."""
    for reading, topic in _topics(dialect):
        for payload in _payloads(sentence, reading.kept or ("name",)):
            mirror = Mirror(dialect)
            update = mirror.apply({topic: payload.encode()}, 1752816615)
            shown = str((mirror.raw, mirror.snapshot(), update.raw, update.changes, update.skipped))
            assert [part for part in PLANTED[sentence] if part in shown] == [], (topic, payload, shown)


SAYINGS = [
    # generation, where it is said, where it is shown
    ("1.9", "evu/faultStr", "grid.fault", {"evu/faultState": "2"}),
    ("1.9", "lp/1/faultStr", "charge_points.1.fault", {"lp/1/faultState": "2", "lp/1/boolChargePointConfigured": "1"}),
    ("2.x", "chargepoint/3/get/fault_str", "charge_points.3.fault", {"chargepoint/3/get/fault_state": "2"}),
    ("2.x", "pv/get/fault_str", "pv.fault", {"pv/get/fault_state": "1"}),
]


@pytest.mark.parametrize(("generation", "topic", "path", "others"), SAYINGS)
def test_the_rest_of_the_sentence_stays(generation: str, topic: str, path: str, others: dict[str, str]) -> None:
    """A person must still see what is wrong."""
    sentence = (
        "Die Verbindung zum Server http://hugo:geheim7@pv/?a=b ist fehlgeschlagen. Überprüfe Adresse und Netzwerk."
    )
    messages = {**others, topic: json.dumps(sentence)}
    if generation == "2.x":
        messages["chargepoint/3/config"] = '{"id": 3}'
    mirror = Mirror(DIALECTS[generation])
    mirror.apply({f"openWB/{name}": text.encode() for name, text in messages.items()}, 1752816615)
    snapshot = mirror.snapshot()
    assert snapshot is not None
    said = flatten(snapshot.state)[path].text
    assert said == "Die Verbindung zum Server … ist fehlgeschlagen. Überprüfe Adresse und Netzwerk."


@pytest.mark.parametrize(
    "text",
    [
        "Bitte die Statusmeldungen der Wechselrichter prüfen. Es haben nicht alle Module Zählerstände geliefert.",
        "HTTP 401: Authentifizierung fehlgeschlagen. Überprüfe die Zugangsdaten",
        "OSError 113: Unbekannter Fehler No route to host",
        "Modbus Error: [Input/Output] No response received, expected at least 8 bytes (0 received)",
        "Lastmanagement aktiv, Ladeleistung reduziert (16 A / 3 Phasen, 11.04 kW, L1-L2-L3, seit 12:30:15, z.B. Herd)",
        "Der SoC kann nicht ausgelesen werden: Token abgelaufen. Die Berechnung ist nicht möglich.",
        "Kein Fehler.Bitte nichts tun.",
        "VW ID.4 Pro / e-Golf",
        "Grüne Zoé Müller & Sohn 2024",
        "Überschussladungskonfiguration",
        "1795394881",
    ],
)
def test_plain_words_and_figures_stay_as_they_are(text: str) -> None:
    assert discreet(text) == text


@given(text=st.text(max_size=300))
def test_cutting_twice_is_cutting_once(text: str) -> None:
    """What Redis holds is read through it again after a restart; and no text makes it fail."""
    once = discreet(text)
    assert discreet(once) == once


@pytest.mark.parametrize("piece", ["a", "a.b.", "a=b&", "token ", "'", "{", "1:", "-a", "user '", "passw", "a/", "%"])
def test_a_long_payload_takes_no_time(piece: str) -> None:
    """No form backtracks over a payload of the greatest length; the bound is a hundred times what it takes."""
    started_at = time.process_time()
    discreet(piece * (LONGEST_PAYLOAD // len(piece)))
    assert time.process_time() - started_at < 2


@each_dialect
def test_of_an_object_no_member_is_kept_that_nothing_reads(dialect: Dialect) -> None:
    """By the row's fills, or by the commands, which look at what the mirror heard."""
    for reading in dialect.readings:
        seen: set[str] = set()

        class Watched(dict[str, Any]):
            def get(self, name: str, default: Any = None) -> Any:
                seen.add(name)  # noqa: B023 used up within this turn of the loop
                return super().get(name, default)

        if not reading.kept:
            continue
        for fill in reading.fills:
            with contextlib.suppress(Unreadable):
                fill.parse(Watched({"soc": 0, "ev": None}))
            with contextlib.suppress(Unreadable):
                fill.parse(Watched({"visibility": True}))
        of_commands = {"openWB/chargepoint/{n}/get/connected_vehicle/config": {"charge_template"}}
        assert reading.kept == seen | of_commands.get(reading.topic, set()), reading.topic


def test_commands_get_a_template_with_all_its_members() -> None:
    """It is written back as a whole; nobody else sees more than the members that are read."""
    template = {"id": 0, "name": "Alltag", "new_member": MARK, "chargemode": {"selected": "stop"}}
    topic = "openWB/chargepoint/3/set/charge_template"
    mirror = Mirror(v2.DIALECT)
    update = mirror.apply({topic: json.dumps(template).encode()}, 1752816615)
    assert json.loads(update.whole[topic]) == template
    assert json.loads(update.raw[topic]) == {"id": 0, "chargemode": {"selected": "stop"}}
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
