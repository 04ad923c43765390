"""Who may ask what of charge sessions, and is told what."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from api import charge_sessions, inputs
from api.access import Role
from api.charge_sessions import Viewer
from api.exports.lines import Line
from api.shapes_sessions import ChargedMode, SessionAnswer, SessionBody, SessionsAnswer
from common.errors import AppError, FieldError
from common.model import LoggedMode, Mode
from common.store.rows import CorrectionRow, SegmentRow, SessionRecord
from tests.kit.session_rows import BERLIN, charged, local_s

ADMIN, ANNA, GUEST = Viewer(Role.ADMIN, "admin"), Viewer(Role.DRIVER, "anna"), Viewer(Role.VIEWER, "guest")
ROW = replace(next(charged(1)), id=7, user_name="anna", tag="0004A376A2")


def correction(field: str, old: str, new: str) -> CorrectionRow:
    return CorrectionRow(
        id=1, session_id=7, corrected_at=9, corrected_by="admin", field=field, old_value=old, new_value=new, reason="x"
    )


def test_filters_are_read_and_narrowed() -> None:
    """An admin gets what is asked for, a driver that of their own."""
    asked = {"from": "2026-11-01", "charge_point": "1", "tag": "T", "vehicle": "V", "limit": "7", "cursor": "5-6"}
    found = charge_sessions.page(asked, ADMIN, BERLIN)
    assert (found.limit, found.after) == (7, (5, 6))
    assert (found.wanted.from_s, found.wanted.charge_point, found.wanted.tag) == (local_s(2026, 11, 1), "1", "T")
    assert found.wanted.user_name is None
    assert charge_sessions.wanted({}, ANNA, BERLIN).user_name == "anna"
    assert charge_sessions.wanted({"user": "anna"}, ANNA, BERLIN).user_name == "anna"
    assert charge_sessions.wanted({"user": "bert"}, ADMIN, BERLIN).user_name == "bert"


@pytest.mark.parametrize(
    ("viewer", "parameters"), [(ANNA, {"user": "bert"}), (GUEST, {"user": "anna"}), (GUEST, {"tag": "T"})]
)
def test_nobody_asks_for_what_they_may_not_see(viewer: Viewer, parameters: dict[str, str]) -> None:
    """Not even whether there is any."""
    with pytest.raises(AppError) as caught:
        charge_sessions.wanted(parameters, viewer, BERLIN)
    assert caught.value.code == "not_allowed"


def test_everything_wrong_is_named_at_once() -> None:
    asked = {
        "from": "x",
        "to": "y",
        "limit": "0",
        "cursor": "-",
        "charge_point": "",
        "user": "a\x00",
        "vehicle": "v" * 65,
    }
    with pytest.raises(FieldError) as caught:
        charge_sessions.page(asked, ADMIN, BERLIN)
    assert set(caught.value.faults) == set(asked)


@pytest.mark.parametrize("text", ["", "0", "-1", "01", "1.0", "x", "9" * 19, "１"])
def test_what_is_no_id_is_none(text: str) -> None:
    assert charge_sessions.identifier(text) is None


def test_a_viewer_is_not_told_who_charged() -> None:
    """Neither in the session nor in its corrections; that there was one is told."""
    vehicle = replace(correction("vehicle", "null", '"V"'), reason="anna drove it")
    line = Line(ROW, (correction("user_name", '"bert"', '"anna"'), vehicle), is_corrected=True)
    seen = charge_sessions.shown_whole(SessionRecord(session=ROW), charge_sessions.visible(line, GUEST))
    assert (seen["user"], seen["tag"], seen["is_corrected"]) == (None, None, True)
    assert [(change["field"], change["corrected_by"]) for change in seen["corrections"]] == [("vehicle", None)]
    assert "anna" not in msgspec.json.encode(seen).decode()
    whole = charge_sessions.shown_whole(SessionRecord(session=ROW), charge_sessions.visible(line, ANNA))
    assert [change["field"] for change in whole["corrections"]] == ["user", "vehicle"]
    assert not charge_sessions.may_see(replace(ROW, user_name=None), ANNA)


def test_answers_fit_their_shapes() -> None:
    """Whatever is unknown."""
    segment = SegmentRow(started_at=1, ended_at=None, is_charging=True, cost_millicents=5)
    bare = replace(ROW, ended_at=None, energy_wh=None, grid_wh=None, pv_wh=None, battery_wh=None, cost_millicents=None)
    for row in (ROW, bare):
        shown = charge_sessions.shown_whole(SessionRecord(session=row, segments=(segment,)), Line(row))
        answer = msgspec.convert(shown, SessionAnswer)
        assert (answer.sources is None) == (answer.cost is None) == (row is bare)
        msgspec.convert({"items": [charge_sessions.shown(Line(row))], "next_cursor": None}, SessionsAnswer)


def test_money_is_exact_both_ways() -> None:
    """Thousandths of a cent out and in, never through a float."""
    shown = charge_sessions.shown(Line(replace(ROW, cost_millicents=-1234567)))
    assert shown["cost"] == {"amount": "-12.34567", "currency": "EUR", "method": "tariff"}
    for amount, millicents in (("3.2745", 327_450), ("-0.00001", -1), ("12", 1_200_000), ("0.1", 10_000)):
        body = inputs.body(msgspec.json.encode({"reason": "x", "cost": {"amount": amount}}), SessionBody)
        assert charge_sessions.changes(body) == {"cost_millicents": millicents}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": "anna"}, "reason"),
        ({"reason": "x"}, "reason"),
        ({"reason": " ", "user": "anna"}, "reason"),
        ({"reason": "a\nb", "user": "anna"}, "reason"),
        ({"reason": "a\x00b", "user": "anna"}, "reason"),
        ({"reason": "x", "energy_wh": 5}, "energy_wh"),
        ({"reason": "x", "cost": {"amount": "1.234567"}}, "cost.amount"),
        ({"reason": "x", "cost": {"amount": "1e5"}}, "cost.amount"),
        ({"reason": "x", "cost": {"amount": "1", "currency": "USD"}}, "cost.currency"),
        ({"reason": "x", "meter_end_wh": -1}, "meter_end_wh"),
        ({"reason": "x", "meter_end_wh": None}, "meter_end_wh"),
    ],
)
def test_a_wrong_correction_is_named(body: dict[str, Any], field: str) -> None:
    """Energy among them: it follows from the meter."""
    with pytest.raises(FieldError) as caught:
        charge_sessions.changes(inputs.body(msgspec.json.encode(body), SessionBody))
    assert set(caught.value.faults) == {field}


def test_energy_of_unknown_origin_is_told_beside_the_known() -> None:
    """The parts and it make up the energy; without any part there are no sources."""
    part = replace(ROW, energy_wh=10_000, grid_wh=5_000, pv_wh=3_000, battery_wh=600, discharged_wh=1_200)
    shown = charge_sessions.shown(Line(part))
    assert shown["sources"] == {
        "grid_wh": 5_000,
        "pv_wh": 3_000,
        "battery_wh": 600,
        "unknown_wh": 1_400,
        "method": part.sources_method,
    }
    assert shown["discharged_wh"] == 1_200
    assert charge_sessions.shown(Line(replace(part, grid_wh=None, pv_wh=None, battery_wh=None)))["sources"] is None


def test_the_modes_of_sessions_are_all_that_a_log_or_the_edge_names() -> None:
    assert {mode.value for mode in ChargedMode} == {*Mode, *LoggedMode}
