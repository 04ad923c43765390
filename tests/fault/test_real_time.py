"""With the tunnel's real timers. Both drills began with the first test of the folder, see conftest.py."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.drills import HOG_S, Deafness, Hogging

NOTICED_WITHIN_S = 30.0
"""What is promised; the arithmetic of the timers gives 29.8 s."""

SLACK_S = 3.0  # for a machine that is busy with the other tests

pytestmark = pytest.mark.timeout(120)


def test_a_process_that_holds_pythons_lock_for_10_s_keeps_its_tunnel(drilled: Callable[[str], Any]) -> None:
    """The relay asks in vain for as long, and what came meanwhile is answered after."""
    seen: Hogging = drilled("hogged_edge")
    assert seen.status == 200
    assert seen.answered_after_s > HOG_S / 2, "the lock was not held"
    assert (seen.tunnels_opened, seen.tunnels_ended) == (1, 0)


def test_a_host_that_hears_nothing_is_half_open_for_30_s_at_most(drilled: Callable[[str], Any]) -> None:
    """At both ends, by default timers, where the kernel itself drops what comes in; then the tunnel heals by itself."""
    seen: Deafness = drilled("deaf_host")
    assert seen.edge_noticed_after_s < NOTICED_WITHIN_S + SLACK_S
    assert seen.relay_noticed_after_s < NOTICED_WITHIN_S + SLACK_S
    assert seen.back_after_s < 30
