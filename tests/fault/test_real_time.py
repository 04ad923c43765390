"""With the tunnel's real timers. All drills began with the first test of the folder, see conftest.py."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.drills import HOG_S, Deafness, Hogging, Sleep

NOTICED_WITHIN_S = 30.0
"""What is promised; the arithmetic of the timers gives 29.8 s."""

SLACK_S = 3.0  # for a machine that is busy with the other tests

BACK_WITHIN_S = 30.0
"""An edge whose relay slept may be in the middle of a pause between two tries, which grow to 30 s."""

pytestmark = pytest.mark.timeout(180)


def test_a_process_that_holds_pythons_lock_for_10_s_keeps_its_tunnel(drilled: Callable[[str], Any]) -> None:
    """The relay asks in vain for as long, and what came meanwhile is answered after."""
    seen: Hogging = drilled("hogged_edge")
    assert seen.status == 200
    assert seen.answered_after_s > HOG_S / 2, "the lock was not held"
    assert (seen.tunnels_opened, seen.tunnels_ended) == (1, 0)


@pytest.mark.parametrize("end", ["edge", "relay"])
def test_a_process_that_slept_for_a_minute_is_noticed_and_comes_back(drilled: Callable[[str], Any], end: str) -> None:
    seen: Sleep = drilled(f"stopped_{end}")
    assert seen.was_offline, "the other end believed in the tunnel for a minute"
    assert seen.back_after_s < BACK_WITHIN_S + SLACK_S


@pytest.mark.parametrize("deaf", ["edge", "relay"])
def test_a_host_that_hears_nothing_is_half_open_for_30_s_at_most(drilled: Callable[[str], Any], deaf: str) -> None:
    """At both ends, by default timers, where the kernel itself drops what comes in; then the tunnel heals by itself."""
    seen: Deafness = drilled(f"deaf_{deaf}")
    assert seen.edge_noticed_after_s < NOTICED_WITHIN_S + SLACK_S
    assert seen.relay_noticed_after_s < NOTICED_WITHIN_S + SLACK_S
    assert seen.back_after_s < 30
