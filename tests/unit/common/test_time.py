"""Clock, backoff and health board."""

import random
import time

import pytest

from common.backoff import Backoff
from common.clock import SimulatedClock, SystemClock, parse_clock
from common.errors import FieldError
from common.health import Health, Status


def test_simulated_clock_runs_faster_and_never_passes_now() -> None:
    """100 s ago at 10x speed, anchored 5 s ago, it is 50 s later there; anchored long ago it is simply now."""
    now = time.time()
    clock = SimulatedClock(now - 100, now - 5, 10)
    assert clock.now() == pytest.approx(now - 50, abs=2)
    assert clock.real_seconds_until(clock.now() + 20) == pytest.approx(2, abs=0.2)
    caught_up = SimulatedClock(now - 100, now - 99, 10)
    assert caught_up.now() == pytest.approx(time.time(), abs=0.5)
    assert caught_up.real_seconds_until(time.time() + 3) == pytest.approx(3, abs=0.2)
    assert caught_up.real_seconds_until(now - 1000) == 0


def test_clock_spec_makes_an_equal_clock() -> None:
    clock = SimulatedClock(1_700_000_000.5, 1_700_000_100.25, 60)
    again = parse_clock(clock.spec())
    assert isinstance(again, SimulatedClock)
    assert (again.starts_at, again.anchored_at, again.speed) == (clock.starts_at, clock.anchored_at, clock.speed)
    assert isinstance(parse_clock(None), SystemClock)


@pytest.mark.parametrize("spec", ["", "1/2", "a/b/c", "1/2/0.5", "1/2/1e9", "5/2/10", "nan/nan/nan"])
def test_bad_clock_spec_names_the_field(spec: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_clock(spec)
    assert list(caught.value.faults) == ["clock"]


def test_backoff_grows_stays_under_its_ceiling_and_starts_over() -> None:
    backoff = Backoff(first_s=1, longest_s=10, draw=random.Random(1))
    delays = [backoff.next_delay_s() for _ in range(50)]
    assert delays[0] <= 1
    assert max(delays) <= 10
    assert min(delays) > 0
    assert max(delays) > 5
    backoff.reset()
    assert backoff.next_delay_s() <= 1


def test_health_tells_changes_from_repeats() -> None:
    """Callers log a transition once; the board keeps since when it holds."""
    health = Health(SystemClock())
    assert health.report("mqtt", Status.FAILING, "refused")
    since = health.components()["mqtt"].since
    assert not health.report("mqtt", Status.FAILING, "still refused")
    assert health.components()["mqtt"].since == since
    assert not health.is_ready()
    assert health.report("mqtt", Status.OK)
    health.report("relay", Status.DISABLED)
    assert health.is_ready()
    health.count("dropped", 2)
    health.count("dropped")
    assert health.counters() == {"dropped": 3}
