"""The supervisor: failed loops restart visibly, stopping is ordered, and nothing hangs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.clock import SystemClock
from common.health import Health, Status
from edge.supervisor import Supervisor
from tests.kit.waiting import eventually


@contextmanager
def _running(supervisor: Supervisor) -> Iterator[Callable[[], list[str]]]:
    """Runs it in a thread; the function given stops it and answers who hung."""
    stopping, hanging = threading.Event(), list[str]()
    thread = threading.Thread(target=lambda: hanging.extend(supervisor.run_until(stopping)))
    thread.start()

    def stop() -> list[str]:
        stopping.set()
        thread.join(10)
        assert not thread.is_alive()
        return hanging

    try:
        yield stop
    finally:
        stop()


def test_a_loop_that_raises_is_restarted_and_shown() -> None:
    """Health has its name and the count, and the other loops go on."""
    health = Health(SystemClock())
    runs = 0

    def fails_twice(stop: threading.Event) -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("a bug")
        stop.wait()

    steady = 0

    def goes_on(stop: threading.Event) -> None:
        nonlocal steady
        steady += 1
        stop.wait()

    supervisor = Supervisor(health, first_pause_s=0.01)
    supervisor.add("steady", goes_on)
    supervisor.add("buggy", fails_twice)
    with _running(supervisor) as stop:
        eventually(lambda: runs == 3 and steady == 1, what="the third start, beside the other loop")
        assert health.components()["loop.buggy"].status is Status.FAILING
        assert health.components()["loop.steady"].status is Status.OK
        assert health.counters()["restarts_buggy"] == 2
        assert stop() == []
    assert steady == 1


def test_a_loop_that_just_ends_is_restarted_too() -> None:
    """Returning without having been asked is a failure like any other."""
    health = Health(SystemClock())
    runs = threading.Semaphore(0)
    supervisor = Supervisor(health, first_pause_s=0.01)
    supervisor.add("short", lambda stop: runs.release())
    with _running(supervisor):
        assert runs.acquire(timeout=5)
        assert runs.acquire(timeout=5)
        eventually(lambda: health.counters().get("restarts_short", 0) >= 1)


def test_loops_stop_in_reverse_order() -> None:
    """What was started last depends on the others."""
    order: list[str] = []
    begun = threading.Semaphore(0)

    def named(name: str) -> Callable[[threading.Event], None]:
        def run(stop: threading.Event) -> None:
            begun.release()
            stop.wait()
            order.append(name)

        return run

    supervisor = Supervisor(Health(SystemClock()))
    for name in ("first", "second", "third"):
        supervisor.add(name, named(name))
    with _running(supervisor) as stop:
        for _ in range(3):  # a loop that is stopped before its thread came to it never runs
            assert begun.acquire(timeout=20)
        assert stop() == []
    assert order == ["third", "second", "first"]


def test_a_loop_that_does_not_stop_is_named_and_the_others_still_stop() -> None:
    """Its deadline passes, then the rest is stopped as ever."""
    release, stopped = threading.Event(), threading.Event()
    begun = threading.Semaphore(0)

    def obeys(stop: threading.Event) -> None:
        begun.release()
        stop.wait()
        stopped.set()

    def stuck(_stop: threading.Event) -> None:
        begun.release()
        release.wait(20)

    supervisor = Supervisor(Health(SystemClock()))
    supervisor.add("good", obeys)
    supervisor.add("stuck", stuck, stop_within_s=0.05)
    with _running(supervisor) as stop:
        for _ in range(2):
            assert begun.acquire(timeout=20)
        assert stop() == ["stuck"]
        assert stopped.is_set()
        release.set()
