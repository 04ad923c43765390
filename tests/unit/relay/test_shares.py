"""What one site, one address and one upload may take, second by second."""

import pytest

from relay.limits import CANCEL_WINDOW_S, MOST_ADDRESSES, Cancels, Pacer, Patience, RelayLimits, TooManyCancelled


def test_a_site_has_two_seconds_at_once_and_then_its_share() -> None:
    pacer = Pacer(1000, now=10.0)
    assert pacer.take(2000, 10.0) == 0
    assert pacer.take(500, 10.0) == 0.5
    assert pacer.take(500, 10.5) == 0.5
    assert pacer.take(0, 11.0) == 0
    assert pacer.take(2001, 100.0) == pytest.approx(0.001)  # what was not used for long is not saved up


def test_an_address_that_gives_up_many_waits_until_they_are_long_ago() -> None:
    cancels = Cancels(3)
    for now in (0.0, 1.0, 2.0):
        cancels.check("a", now)
        cancels.note("a", now)
    with pytest.raises(TooManyCancelled):
        cancels.check("a", CANCEL_WINDOW_S - 0.1)
    cancels.check("b", 2.0)
    cancels.check("a", CANCEL_WINDOW_S + 0.1)
    cancels.note("a", CANCEL_WINDOW_S + 0.1)
    with pytest.raises(TooManyCancelled):
        cancels.check("a", CANCEL_WINDOW_S + 0.5)


def test_addresses_that_are_remembered_are_bounded() -> None:
    """The one that was quiet longest is forgotten."""
    cancels = Cancels(1)
    for number in range(MOST_ADDRESSES):
        cancels.note(str(number), 0.0)
    cancels.note("0", 1.0)
    cancels.note("one more", 1.0)
    cancels.check("1", 1.0)
    with pytest.raises(TooManyCancelled):
        cancels.check("0", 1.0)


def test_an_upload_may_stand_still_for_a_while_and_earns_more_by_what_comes() -> None:
    patience = Patience(RelayLimits(body_grace_s=30, body_slowest_bytes_per_s=1000))
    assert patience.left_s == 30
    patience.got(0, 20)
    assert patience.left_s == 10
    patience.got(5000, 1)
    assert patience.left_s == 14
    patience.got(1, 60)
    assert patience.left_s == 0
