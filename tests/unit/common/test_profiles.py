"""Which profile a card has, and when profiles hold: weekdays, hours over midnight, and the two days of the clock
change."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.profiles import Book, Outcome, Owner, Profile, decide, is_open
from common.tags import key, redacted, tag_of

BERLIN = ZoneInfo("Europe/Berlin")
SUNDAY_23 = datetime(2026, 11, 29, 23, 0, tzinfo=BERLIN).timestamp()
PLUGS = {"1": True, "2": False}


def profile(name: str = "one", **more: Any) -> Profile:
    return Profile(**{"name": name, "user": "anna", "wishes": {"mode": "pv"}, **more})


def book(
    *profiles: Profile, role: str = "driver", is_disabled: bool = False, charge_points: tuple[str, ...] | None = None
) -> Book:
    numbered = [profile if profile.id else Profile(**_fields(profile), id=n) for n, profile in enumerate(profiles, 1)]
    return Book({"00A1": Owner("anna", role, is_disabled, charge_points)}, numbered)


def _fields(one: Profile) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Profile.__dataclass_fields__ if name != "id"}


@given(
    at=st.integers(1_767_222_000, 1_830_294_000),  # the years 2026 and 2027
    begin=st.integers(0, 1439),
    end=st.integers(0, 1439),
    days=st.sets(st.integers(0, 6)),
)
def test_a_window_is_the_hours_from_its_begin_on_one_of_its_days(at: int, begin: int, end: int, days: set[int]) -> None:
    """Said in another way: walk back to the minute where it began, on the clock on the wall, and look at that day."""
    if begin == end:
        return
    local = datetime.fromtimestamp(at, BERLIN)
    wall = local.replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0)
    length = (end - begin) % 1440
    began = [
        start
        for back in (0, 1)
        if (start := midnight - timedelta(days=back) + timedelta(minutes=begin))
        <= wall
        < start + timedelta(minutes=length)
    ]
    expected = any(not days or start.weekday() in days for start in began)
    window = profile(weekdays=tuple(days), from_minute=begin, until_minute=end)
    assert is_open(window, local) is expected


@pytest.mark.parametrize(
    ("utc", "holds"),
    [
        ("2026-03-29T00:59", True),  # 01:59; then the clock jumps to 03:00, which is outside
        ("2026-03-29T01:00", False),
        ("2026-10-25T00:30", True),  # 02:30 in summer time
        ("2026-10-25T01:30", True),  # 02:30 once more
        ("2026-10-25T02:00", False),
        ("2026-10-24T23:59", False),
    ],
)
def test_on_the_days_of_the_clock_change_the_wall_counts(utc: str, holds: bool) -> None:
    """From 02:00 to 03:00 on Sundays (the first row: 01:00 to 03:00): an hour that is missing, and one that is
    twice."""
    begin = 60 if utc.startswith("2026-03") else 120
    window = profile(weekdays=(6,), from_minute=begin, until_minute=180)
    local = datetime.fromisoformat(utc).replace(tzinfo=UTC).astimezone(BERLIN)
    assert is_open(window, local) is holds


def test_the_order_in_which_profiles_count() -> None:
    """For the tag before for its user, naming the charge point before any, with a window before always, then the
    oldest."""
    profiles = [
        profile("user, any"),
        profile("user, point", charge_point="1"),
        profile("tag, any", tag="00a1"),
        profile("tag, any, younger", tag="00A1"),
        profile("tag, any, windowed", tag="00A1", weekdays=(6,)),
        profile("tag, point", tag="00A1", charge_point="1"),
    ]
    expected = ["tag, point", "tag, any, windowed", "tag, any", "tag, any, younger", "user, point", "user, any"]
    order = []
    while profiles:
        chosen = decide(book(*profiles), "00a1", SUNDAY_23, "1", PLUGS, BERLIN, site_wide=()).profile
        assert chosen is not None
        order.append(chosen.name)
        profiles = [one for one in profiles if one.name != chosen.name]
    assert order == expected


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (profile(is_enabled=False), "is switched off"),
        (profile(expires_at=int(SUNDAY_23)), "has expired"),
        (profile(charge_point="2"), "is for charge point 2"),
        (profile(weekdays=(5,)), "does not hold on sun at 23:00"),
        (profile(from_minute=0, until_minute=23 * 60), "does not hold on sun at 23:00"),
    ],
)
def test_why_a_profile_does_not_hold(one: Profile, why: str) -> None:
    """In words, one reason for each; the next one still has its turn."""
    decision = decide(book(one), "00A1", SUNDAY_23, "1", PLUGS, BERLIN, site_wide=())
    assert (decision.outcome, decision.reasons) == (Outcome.NOT_VALID, (f"one: {why}",))
    other = profile("two", charge_point="1") if one.charge_point == "2" else profile("two")
    decision = decide(book(one, other), "00A1", SUNDAY_23, "1", PLUGS, BERLIN, site_wide=())
    assert decision.profile is not None
    assert decision.profile.name == "two"


def test_who_has_nothing_to_apply() -> None:
    """An unknown card, a disabled user, one who may only look, one without a profile, others' profiles."""

    def outcome(known: Book, tag: str = "00A1") -> Outcome:
        return decide(known, tag, SUNDAY_23, "1", PLUGS, BERLIN, site_wide=()).outcome

    assert outcome(book(profile()), "00A2") is Outcome.UNKNOWN
    assert outcome(book(profile(), is_disabled=True)) is Outcome.NOT_ALLOWED
    assert outcome(book(profile(), role="viewer")) is Outcome.NOT_ALLOWED
    assert outcome(book()) is Outcome.NO_PROFILE
    assert outcome(book(profile(user="bert", tag="00A1"))) is Outcome.NO_PROFILE
    assert outcome(book(profile(tag="00A2"))) is Outcome.NO_PROFILE


@pytest.mark.parametrize(
    ("plugs", "named", "where"),
    [
        ({"1": None}, None, "1"),
        ({"1": False, "2": True}, None, "2"),
        ({"1": True, "2": True}, None, None),
        ({"1": False, "2": None}, None, None),
        ({"1": True, "2": True}, "2", "2"),
        ({"1": True}, "2", None),
    ],
)
def test_where_if_the_wallbox_does_not_say(plugs: dict[str, bool | None], named: str | None, where: str | None) -> None:
    """The profile's charge point, or the only one, or the only one with a car; else nowhere."""
    decision = decide(book(profile(charge_point=named)), "00A1", SUNDAY_23, None, plugs, BERLIN, site_wide=())
    assert decision.outcome is (Outcome.APPLYING if where else Outcome.NO_CHARGE_POINT)
    assert where is None or decision.charge_point == where


@given(st.text(max_size=80))
def test_tags_are_text(text: str) -> None:
    """Whatever is a tag stays as it is but for blanks around it, and never shows more than its end."""
    tag = tag_of(text)
    if tag is None:
        return
    assert tag == text.strip()
    assert tag.isascii()
    assert tag.isprintable()
    assert key(tag.lower()) == key(tag.upper())
    assert len(redacted(tag)) <= 3


@pytest.mark.parametrize("site_wide", [(), ("mode",)])
@pytest.mark.parametrize("wishes", [{"mode": "pv"}, {"current_a": 10}])
@pytest.mark.parametrize("limits", [None, ("1", "2"), ("2",), ("2", "9"), ("9",)])
@pytest.mark.parametrize("scanned", [None, "1", "2"])
@pytest.mark.parametrize("named", [None, "1", "2"])
def test_a_card_changes_nothing_that_is_not_its_users(
    named: str | None, scanned: str | None, limits: Any, wishes: Any, site_wide: Any
) -> None:
    """Neither where it is scanned nor where its profile says, nor the whole site's mode; and says so."""
    known = book(profile(charge_point=named, wishes=wishes), charge_points=limits)
    decision = decide(known, "00A1", SUNDAY_23, scanned, PLUGS, BERLIN, site_wide=site_wide)
    if decision.outcome is Outcome.APPLYING:
        assert limits is None or decision.charge_point in limits
        assert limits is None or {*PLUGS} <= {*limits} or not {*wishes} & {*site_wide}
    else:
        assert decision.profile is None or decision.outcome is Outcome.NO_CHARGE_POINT
    if limits == ("2",):
        may = "1" not in (named, scanned) and not (site_wide and "mode" in wishes)
        other = {*filter(None, (named, scanned))} == {"1", "2"}  # a profile for elsewhere does not hold at all
        expected = Outcome.APPLYING if may else Outcome.NOT_VALID if other else Outcome.NOT_ALLOWED
        assert decision.outcome is expected, decision


def test_of_a_limited_users_profiles_the_first_one_they_may_use_counts() -> None:
    """One for a charge point of theirs, though an older one would be for another; reasons name each."""
    known = book(profile("site", wishes={"mode": "pv"}), profile("own", wishes={"current_a": 6}), charge_points=("2",))
    decision = decide(known, "00A1", SUNDAY_23, None, PLUGS, BERLIN, site_wide=("mode",))
    assert decision.profile is not None
    assert (decision.profile.name, decision.charge_point) == ("own", "2")
    assert "whole site" in decision.reasons[0]
