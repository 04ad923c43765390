"""What documents say beside the numbers: cautions, corrections, prices and the cost of the whole."""

import json
from dataclasses import replace
from typing import Any

import pytest

from api.exports import corrections, figures
from api.exports.cautions import MOST_NUMBERS, Cautions
from api.exports.lines import Heading, Line, price
from api.exports.summary import totals
from api.exports.texts import Language
from common.store.rows import CorrectionRow
from tests.kit.session_rows import BERLIN, charged

ROW = replace(next(charged(1)), id=7)
GERMAN = Heading(site_name="Zuhause", language=Language.DE, zone=BERLIN, made_at=0, made_by="admin")
ENGLISH = replace(GERMAN, language=Language.EN)
AT = 1_796_400_000


def corrected(**changes: tuple[Any, Any]) -> Line:
    rows = tuple(
        CorrectionRow(
            id=number,
            session_id=7,
            corrected_at=AT,
            corrected_by="admin",
            field=name,
            old_value=json.dumps(old),
            new_value=json.dumps(new),
            reason="abgelesen",
        )
        for number, (name, (old, new)) in enumerate(changes.items(), 1)
    )
    return Line(ROW, rows, is_corrected=True)


def test_one_corrected_reading_is_one_sentence() -> None:
    """The reading, the energy that follows, and what nobody measured for it."""
    line = corrected(
        meter_end_wh=(8_225_404, 8_225_904),
        energy_wh=(12_681, 13_181),
        grid_wh=(4_000, None),
        pv_wh=(8_681, None),
        battery_wh=(0, None),
        sources_method=("shares", None),
        cost_millicents=(312_000, None),
        cost_method=("tariff", None),
    )
    assert corrections.sentences([line], GERMAN) == [
        "Nr. 7: Zähler Ende 8.225,904 kWh statt 8.225,404 kWh; dadurch Energie 13,181 kWh statt 12,681 kWh, "
        "Herkunft und Kosten unbekannt. Berichtigt am 04.12.2026 17:00 von admin, Grund: abgelesen"
    ]
    assert corrections.sentences([line], ENGLISH) == [
        "No. 7: meter end 8,225.904 kWh in place of 8,225.404 kWh; thereby energy 13.181 kWh in place of 12.681 kWh, "
        "sources and cost unknown. Corrected on 2026-12-04 17:00 by admin, reason: abgelesen"
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user_name": (None, "anna")}, "Nutzer anna statt unbekannt"),
        ({"cost_millicents": (312_000, None), "cost_method": ("tariff", None)}, "Kosten unbekannt statt 3,12000 €"),
        (
            {"meter_start_wh": (1, 2), "energy_wh": (9, 8), "cost_millicents": (1, 327_000), "cost_method": ("a", "b")},
            "Zähler Beginn 0,002 kWh statt 0,001 kWh, Kosten 3,27000 € statt 0,00001 €; "
            "dadurch Energie 0,008 kWh statt 0,009 kWh",
        ),
        ({"doubt": ("overlaps", None)}, "kein Zweifel mehr"),
    ],
)
def test_other_corrections(changes: dict[str, tuple[Any, Any]], words: str) -> None:
    """A cost that was given along with a reading is what the admin said, not what followed."""
    assert corrections.sentences([corrected(**changes)], GERMAN) == [
        f"Nr. 7: {words}. Berichtigt am 04.12.2026 17:00 von admin, Grund: abgelesen"
    ]


def test_two_corrections_of_a_session_are_two_sentences() -> None:
    first, second = corrected(user_name=("a", "b")), corrected(vehicle=("c", "d"))
    later = tuple(replace(row, corrected_at=AT + 60, corrected_by="", reason="") for row in second.corrections)
    found = corrections.sentences([replace(first, corrections=first.corrections + later)], GERMAN)
    assert found[1] == "Nr. 7: Fahrzeug d statt c. Berichtigt am 04.12.2026 17:01"


def test_what_speaks_against_a_document_is_said() -> None:
    """With the numbers, some of them; and why these are in no order."""
    cautions = Cautions()
    rows = [
        replace(ROW, id=1, cost_millicents=None),
        replace(ROW, id=3, origin="import", doubt="overlaps", energy_wh=1_200),
        replace(ROW, id=2, discharged_wh=3_200),
    ]
    for row in rows:
        cautions.add(row)
    assert cautions.sentences(Language.DE) == [
        "Ohne Kosten und daher nicht in deren Summe: Nr. 1.",
        "Nicht selbst aufgezeichnet, sondern übernommen: Nr. 3.",
        "Vielleicht Teil eines anderen Ladevorgangs und trotzdem gezählt, zusammen 1,200 kWh: Nr. 3.",
        "Zusammen 3,200 kWh gab das Fahrzeug zurück (bidirektionales Laden); sie zählen hier nicht: Nr. 2.",
    ]
    order = cautions.order(Language.EN)
    assert order is not None
    assert order.startswith("Numbers were given in the order in which the sessions were stored")
    many = Cautions()
    for number in range(1, 100):
        many.add(replace(ROW, id=number, cost_millicents=None))
    assert many.order(Language.DE) is None
    assert many.sentences(Language.EN)[0].endswith(f", {MOST_NUMBERS} … (99 in all).")


@pytest.mark.parametrize(
    ("millicents", "wh", "shown"),
    [
        (327_450, 10_000, "0,3275 €/kWh"),
        (-5_000, 1_000, "-0,0500 €/kWh"),
        (0, 5, "0,0000 €/kWh"),
        (1, 3, "0,0033 €/kWh"),
    ],
)
def test_what_a_kwh_cost(millicents: int, wh: int, shown: str) -> None:
    """Four places, halves away from zero."""
    value = price(replace(ROW, cost_millicents=millicents, energy_wh=wh))
    assert value is not None
    assert figures.price(value, Language.DE) == shown


@pytest.mark.parametrize("changes", [{"cost_millicents": None}, {"energy_wh": None}, {"energy_wh": 0}])
def test_without_cost_or_energy_there_is_no_price(changes: dict[str, int | None]) -> None:
    row = replace(ROW)
    for name, value in changes.items():
        row = replace(row, **{name: value})  # type: ignore[arg-type]
    assert price(row) is None


def test_the_totals_know_what_has_no_cost() -> None:
    """So that the price of a kWh is that of the sessions that have one."""
    whole = totals([Line(ROW), Line(replace(ROW, cost_millicents=None))])
    assert (whole.sessions, whole.without_cost, whole.priced_wh) == (2, 1, ROW.energy_wh)
