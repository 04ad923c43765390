"""When the wallbox's log is read, and which months of it."""

from zoneinfo import ZoneInfo

from common.model import ChargePoint
from edge.charge_log.schedule import AFTER_CHARGE_S, EVERY_S, LEAST_BETWEEN_S, Month, Watch, months

BERLIN = ZoneInfo("Europe/Berlin")
AT = 1_795_420_800.0  # Mon Nov 23 09:00:00 CET 2026
FAR = AT + EVERY_S


def follow(watch: Watch, now: float, *, plugged: bool | None, charging: bool | None) -> None:
    watch.follow({"1": ChargePoint(is_plugged=plugged, is_charging=charging)}, now)


def test_this_month_and_the_one_before_in_local_time() -> None:
    """At the turn of the year it is January there an hour before it is here."""
    assert months(AT, BERLIN) == (Month(2026, 10), Month(2026, 11))
    new_year = 1_798_758_000  # 2027-01-01 00:00 CET
    assert months(new_year - 1, BERLIN) == (Month(2026, 11), Month(2026, 12))
    assert months(new_year, BERLIN) == (Month(2026, 12), Month(2027, 1))
    assert Month(2027, 1).starts_at(BERLIN) == new_year


def test_it_is_read_after_a_charge_and_after_unplugging() -> None:
    """When the wallbox had time to write it down; a charge that begins is no reason."""
    watch = Watch(FAR)
    follow(watch, AT, plugged=True, charging=False)
    follow(watch, AT + 1, plugged=True, charging=True)
    assert watch.due_at == FAR
    follow(watch, AT + 2, plugged=True, charging=False)
    assert watch.due_at == AT + 2 + AFTER_CHARGE_S
    watch.looked(watch.due_at)
    follow(watch, AT + 5000, plugged=False, charging=False)
    assert watch.due_at == AT + 5000 + AFTER_CHARGE_S


def test_what_is_unknown_ends_nothing() -> None:
    """A wallbox that was silent meanwhile: the end is seen when it speaks again."""
    watch = Watch(FAR)
    follow(watch, AT, plugged=True, charging=True)
    follow(watch, AT + 1, plugged=None, charging=None)
    assert watch.due_at == FAR
    follow(watch, AT + 2, plugged=True, charging=False)
    assert watch.due_at == AT + 2 + AFTER_CHARGE_S


def test_clouds_do_not_make_it_read_all_the_time() -> None:
    """Charges that end one after another are read together."""
    watch = Watch(FAR)
    watch.looked(AT)
    follow(watch, AT, plugged=True, charging=True)
    follow(watch, AT + 10, plugged=True, charging=False)
    assert watch.due_at == AT + LEAST_BETWEEN_S
    follow(watch, AT + 20, plugged=True, charging=True)
    follow(watch, AT + 30, plugged=True, charging=False)
    assert watch.due_at == AT + LEAST_BETWEEN_S


def test_once_a_day_also_when_the_clock_is_set_back() -> None:
    """A clock that was years ahead does not put it off for years."""
    watch = Watch(AT)
    watch.looked(AT + 10 * 365 * EVERY_S)
    follow(watch, AT, plugged=None, charging=None)
    assert watch.due_at == AT + EVERY_S
