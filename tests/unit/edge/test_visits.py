"""What follows from a scan, step by step: applied, watched, put back; several cards; and what the wallbox makes of
it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from common.commands import CommandRecord, Status, accepted
from common.model import ChargePoint, Limit, LimitType, Mode
from common.profiles import Decision, Outcome, Owner, Profile
from edge import profiles
from edge.profiles import Step, Visit
from edge.scans import Scan

NOW = 1_795_420_810.0
WISHES: Mapping[str, Any] = {"mode": "instant", "current_a": 13, "limit": {"type": "energy", "energy_wh": 5000}}
BEFORE: Mapping[str, Any] = {"mode": "pv", "current_a": 10, "limit": {"type": "none"}}
PROFILE = Profile(id=1, name="one", user="anna", wishes=WISHES)


KNOBS = ("wishes", "restores", "is_plugged", "is_by_mode")


def visit(
    key: str = "a", point: str = "1", *, is_plugged: bool = True, is_by_mode: bool = True, **profile: Any
) -> Visit:
    """A scan whose profile is being applied."""
    begun = profiles.begin(Scan("00A1", NOW, point), key, NOW)
    decision = Decision(Outcome.APPLYING, Owner("anna", "driver", False), replace(PROFILE, **profile), point)
    there = ChargePoint(is_plugged=is_plugged, mode=Mode.PV)
    return profiles.judged(begun, decision, NOW, there, is_by_mode=is_by_mode)


def record(one: Visit, status: Status = Status.CONFIRMED, **more: Any) -> CommandRecord:
    """What became of its command."""
    command = profiles.command(one, max(NOW, one.since))
    assert command is not None
    known = {wish: BEFORE[wish] for wish in command.wishes}
    return replace(accepted(command), **{"status": status, "previous": known, "observed": command.wishes, **more})


def applied(key: str = "a", point: str = "1", others: list[Visit] | None = None, **more: Any) -> list[Visit]:
    """A scan whose profile is applied, and the others after it."""
    one = visit(key, point, **{name: more.pop(name) for name in KNOBS if name in more})
    return profiles.took_over(profiles.followed(one, record(one, **more), NOW), others or [], frozenset({"mode"}), NOW)


def shows(is_plugged: bool | None, **more: Any) -> ChargePoint:
    """A charge point as the profile left it."""
    limit = Limit(type=LimitType.ENERGY, energy_wh=5000)
    return ChargePoint(is_plugged=is_plugged, **{"mode": Mode.INSTANT, "current_a": 13.0, "limit": limit, **more})


def left(one: Visit, now: float = NOW, **more: Any) -> Visit:
    """The car leaves, for long enough."""
    gone = profiles.watched(one, shows(False, **more), now)
    return profiles.watched(gone, shows(False, **more), now + profiles.UNPLUG_SETTLES_S)


def test_what_was_before_is_put_back_limit_first() -> None:
    """openWB 2.x keeps limits by mode: they are put back while the profile's mode still is on."""
    [one] = applied()
    assert (one.step, one.outcome) == (Step.APPLIED, Outcome.APPLIED)
    assert profiles.watched(one, shows(True), NOW) == one
    one = left(one)
    assert one.restoring == ({"current_a": 10, "limit": {"type": "none"}}, {"mode": "pv"})
    ids = [one.commands[-1].id]
    one = profiles.followed(one, record(one, previous={}), NOW)
    assert one.restoring == ({"mode": "pv"},)
    ids.append(one.commands[-1].id)
    one = profiles.followed(one, record(one, previous={}), NOW)
    assert (one.step, one.outcome, len(set(ids))) == (Step.OVER, Outcome.RESTORED, 2)
    assert [(made.purpose, made.status) for made in one.commands] == [
        ("apply", "confirmed"),
        ("restore", "confirmed"),
        ("restore", "confirmed"),
    ]


@pytest.mark.parametrize(
    ("change", "rest"),
    [
        ({"mode": Mode.PV}, None),
        ({"current_a": 16}, ({"limit": {"type": "none"}}, {"mode": "pv"})),
        ({"limit": Limit(type=LimitType.NONE)}, ({"current_a": 10}, {"mode": "pv"})),
    ],
)
def test_what_somebody_changed_meanwhile_stays(change: dict[str, Any], rest: Any) -> None:
    """Another mode: all of it, since they took over."""
    one = left(applied()[0], **change)
    if rest is None:
        assert (one.step, one.outcome) == (Step.OVER, Outcome.KEPT)
    else:
        assert one.restoring == rest


def test_a_shaky_plug_and_an_unknown_one() -> None:
    """Only a car that is known to be away for some seconds has left."""
    [one] = applied()
    one = profiles.watched(one, shows(False), NOW)
    one = profiles.watched(one, shows(True), NOW + 2)
    one = profiles.watched(one, shows(False), NOW + profiles.UNPLUG_SETTLES_S + 1)
    one = profiles.watched(one, shows(None), NOW + 100)
    assert one.step is Step.APPLIED
    assert profiles.watched(one, shows(False), NOW + 100).step is Step.RESTORING


def test_without_a_car_it_is_taken_back() -> None:
    """The card came first, and then nobody."""
    [one] = applied(is_plugged=False)
    assert profiles.watched(one, shows(False), NOW + profiles.PLUG_WITHIN_S - 1).step is Step.APPLIED
    assert profiles.watched(one, shows(False), NOW + profiles.PLUG_WITHIN_S).step is Step.RESTORING
    one = profiles.watched(one, shows(True), NOW + 100)
    assert profiles.watched(one, shows(False), NOW + profiles.PLUG_WITHIN_S).step is Step.APPLIED


def test_a_profile_that_does_not_restore_is_done() -> None:
    """So is one that changed nothing."""
    assert applied(restores=False)[0].step is Step.OVER
    assert applied(previous=WISHES)[0].step is Step.OVER


def test_a_second_card_at_the_same_place_takes_over() -> None:
    """What was before the first one is put back; the same card again changes nothing of that."""
    [first] = applied("a", is_by_mode=False)
    second, first = applied("b", others=[first], previous=WISHES, is_by_mode=False)
    assert (first.step, second.step) == (Step.OVER, Step.APPLIED)
    assert second.previous == BEFORE
    stop = {"mode": "stop"}
    third, second = applied("c", others=[second], wishes=stop, previous={"mode": "instant"}, is_by_mode=False)
    assert left(third, mode=Mode.STOP).restoring == (BEFORE,)


def test_a_second_card_in_another_mode() -> None:
    """On 2.x the first one's limit belongs to its mode, which is switched on to put it back; the old mode comes
    last."""
    [first] = applied("a")
    limit: dict[str, Any] = {"type": "soc", "soc_percent": 80}
    eco = {"mode": "eco", "limit": limit}
    second, first = applied("b", others=[first], wishes=eco, previous={"mode": "instant", "limit": {"type": "none"}})
    assert left(second, mode=Mode.ECO, limit=Limit(**limit)).restoring == (
        {"limit": {"type": "none"}},
        {"mode": "instant", "current_a": 10, "limit": {"type": "none"}},
        {"mode": "pv"},
    )


def test_of_a_mode_for_the_whole_site_the_last_card_puts_it_back() -> None:
    """Two cars of 1.9: the first one's own wishes stay its own."""
    [first] = applied("a", "1", is_by_mode=False)
    stop = {"mode": "stop"}
    second, first = applied("b", "2", [first], wishes=stop, previous={"mode": "instant"}, is_by_mode=False)
    assert second.previous == {"mode": "pv"}
    assert first.previous == {"current_a": 10, "limit": {"type": "none"}}


def test_limits_that_belong_to_no_mode_are_put_back_by_themselves() -> None:
    """1.9 has one of each; on 2.x those of another mode would be overwritten."""
    one = left(applied(is_by_mode=False)[0], mode=Mode.STOP)
    assert one.restoring == ({"current_a": 10, "limit": {"type": "none"}},)
    without_mode = {"current_a": 13}
    assert left(applied(wishes=without_mode)[0], mode=Mode.INSTANT).outcome is Outcome.KEPT
    assert left(applied(wishes=without_mode)[0], mode=Mode.PV).restoring == ({"current_a": 10},)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(Status.REJECTED, Outcome.REJECTED), (Status.TIMED_OUT, Outcome.NOT_CONFIRMED)],
)
def test_a_wallbox_that_refuses(status: Status, outcome: Outcome) -> None:
    """Nothing changed, nothing is put back."""
    one = visit()
    one = profiles.followed(one, record(one, status, detail="mode: no", observed=BEFORE), NOW)
    assert (one.step, one.outcome, one.detail, dict(one.previous)) == (Step.OVER, outcome, "mode: no", {})


def test_what_a_wallbox_took_in_part_is_put_back() -> None:
    """The limit it did not take."""
    one = visit()
    observed = {**WISHES, "limit": {"type": "none"}}
    one = profiles.followed(one, record(one, Status.TIMED_OUT, observed=observed), NOW)
    [one] = profiles.took_over(one, [], frozenset(), NOW)
    one = left(one, limit=Limit(type=LimitType.NONE))
    assert one.restoring == ({"current_a": 10}, {"mode": "pv"})


def test_putting_back_is_tried_three_times() -> None:
    """With a pause, each with a command of its own; then it is told."""
    one, ids, now = left(applied()[0]), set(), NOW
    for _ in range(3):
        now = one.since
        ids.add(one.commands[-1].id)
        one = profiles.followed(one, record(one, Status.TIMED_OUT, previous={}, detail="deaf"), now)
        assert profiles.command(one, now) is None
    assert (len(ids), one.outcome, one.detail) == (3, Outcome.NOT_RESTORED, "deaf")


def test_a_command_that_was_lost_is_given_up() -> None:
    """Redis was away all the time; until then it is handed over again, under the same id."""
    one = visit()
    assert profiles.followed(one, None, NOW + 100) == one
    assert profiles.command(one, NOW + 100) == replace(_command(one), accepted_at=NOW + 100)
    assert profiles.followed(one, None, NOW + profiles.COMMAND_WITHIN_S + 1).outcome is Outcome.NOT_CONFIRMED


def _command(one: Visit) -> Any:
    return profiles.command(one, NOW)


def test_openwb_2_has_the_tag_first() -> None:
    """While it waits for a plug nothing is decided; then with its template loaded. Without a plug never."""
    one = profiles.begin(Scan("00A1", NOW, "3"), "a", NOW)
    assert not profiles.is_ripe(one, NOW, settles=True)
    assert profiles.is_ripe(one, NOW, settles=False)
    one = profiles.held(one, NOW, is_held=True, is_plugged=False)
    assert (one.step, one.outcome) == (Step.HELD, Outcome.WAITING)
    bound = profiles.held(one, NOW + 250, is_held=False, is_plugged=True)
    assert not profiles.is_ripe(bound, NOW + 251, settles=True)
    assert profiles.is_ripe(bound, NOW + 250 + profiles.TAG_SETTLES_S, settles=True)
    assert profiles.held(one, NOW + 250, is_held=False, is_plugged=False).outcome is Outcome.NO_PLUG
    assert profiles.held(one, NOW + 20, is_held=False, is_plugged=False).step is Step.HEARD, "unknown to openWB"
    assert profiles.held(one, NOW + profiles.TAG_WAITS_S + 1, is_held=True, is_plugged=True).outcome is Outcome.NO_PLUG


def test_an_old_scan_does_nothing() -> None:
    """Heard of too late, or kept while the edge was down."""
    assert profiles.begin(Scan("00A1", NOW, "3", is_fresh=False), "a", NOW).outcome is Outcome.LATE
    assert profiles.is_too_old(profiles.begin(Scan("00A1", NOW, "3"), "a", NOW), NOW + 121)


def test_what_is_kept_is_bounded() -> None:
    """What is over gives way first, the oldest before the others; what is under way stays as long as there is room."""
    one = visit()
    under_way = [replace(one, key=f"open{n}") for n in range(3)]
    over = [replace(one, key=f"over{n}", step=Step.OVER) for n in range(profiles.MOST_VISITS)]
    kept = profiles.bounded([*under_way, *over])
    assert [visit.key for visit in kept[:4]] == ["open0", "open1", "open2", "over3"]
    assert len(kept) == profiles.MOST_VISITS
    many = [replace(one, key=str(n)) for n in range(profiles.MOST_VISITS + 2)]
    assert profiles.bounded(many) == many[2:]
