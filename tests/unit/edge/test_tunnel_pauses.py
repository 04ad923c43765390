"""How long the edge waits before it dials again."""

import random

import pytest

from common.backoff import Backoff
from edge.tunnel import (
    HEALTHY_AFTER_S,
    LONGEST_AWAY_S,
    REFUSED_PAUSE_S,
    Ending,
    ending_of,
    next_pause_s,
    next_try_text,
    pause_after_goodbye_s,
)


def backoff() -> Backoff:
    return Backoff(draw=random.Random(1))


@pytest.mark.parametrize(
    ("close_code", "ending"),
    [
        (4401, Ending.REFUSED),
        (4403, Ending.REFUSED),
        (4426, Ending.REFUSED),
        (4409, Ending.SUPERSEDED),
        (1012, Ending.LOST),
        (4400, Ending.LOST),
        (None, Ending.LOST),
    ],
)
def test_the_relays_close_code_decides(close_code: int | None, ending: Ending) -> None:
    assert ending_of(close_code) is ending


def test_a_refused_key_is_tried_again_after_a_quarter_of_an_hour() -> None:
    pause_s = next_pause_s(Ending.REFUSED, None, 0.0, backoff())
    assert REFUSED_PAUSE_S * 0.8 <= pause_s <= REFUSED_PAUSE_S * 1.2


def test_after_a_good_connection_the_relays_spread_counts() -> None:
    """A restarted relay must not be met by all its edges at once, and they must not be slow either."""
    pauses = [next_pause_s(Ending.LOST, HEALTHY_AFTER_S, 5.0, backoff(), random.Random(seed)) for seed in range(50)]
    assert 0.0 <= min(pauses) < 1.0
    assert 4.0 < max(pauses) <= 5.0


@pytest.mark.parametrize(("after_s", "spread_s"), [(4_294_967.3, 0.0), (0.0, 4_294_967.3), (250.0, 3600.0)])
def test_no_relay_keeps_an_edge_away_for_long(after_s: float, spread_s: float) -> None:
    """By its goodbye or its WELCOME, whatever number stands there."""
    for seed in range(50):
        draw = Backoff(draw=random.Random(seed))
        assert pause_after_goodbye_s(after_s, spread_s, HEALTHY_AFTER_S, draw) <= LONGEST_AWAY_S
        assert next_pause_s(Ending.LOST, HEALTHY_AFTER_S, spread_s, draw) <= LONGEST_AWAY_S


def test_short_connections_do_not_reset_the_backoff() -> None:
    """A relay that accepts and drops again at once must not be dialled in a tight loop."""
    growing = backoff()
    pauses = [next_pause_s(Ending.LOST, 1.0, 0.0, growing) for _ in range(12)]
    assert max(pauses) > 6.0
    next_pause_s(Ending.LOST, HEALTHY_AFTER_S, 0.0, growing)
    assert next_pause_s(Ending.LOST, None, 0.0, growing) <= 0.5


def test_a_long_pause_says_when_it_ends() -> None:
    """After a refusal it is a quarter of an hour; what is over in seconds needs no words."""
    assert next_try_text(900.0, 1_767_225_600.0) == (
        "; the next try is at 00:15:00 UTC, or when this site is enrolled anew"
    )
    assert next_try_text(1.5, 1_767_225_600.0) == ""
