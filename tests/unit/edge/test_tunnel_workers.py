"""The threads that serve requests: as many as needed, never more than allowed, gone at the end."""

import threading

from edge.loops.workers import Workers
from tests.kit.waiting import eventually


def test_everything_is_done_by_at_most_so_many_threads() -> None:
    """Work beyond the threads waits; none is lost."""
    running, most, done = 0, 0, []
    lock = threading.Lock()

    def work(number: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.001)
        with lock:
            running -= 1
            done.append(number)

    with Workers(4, "worker-of-test") as workers:
        for number in range(100):
            workers.submit(lambda number=number: work(number))  # type: ignore[misc]
    assert sorted(done) == list(range(100))
    assert 1 < most <= 4
    assert not [thread for thread in threading.enumerate() if thread.name == "worker-of-test"]


def test_an_idle_thread_is_used_again() -> None:
    """Requests one after the other need one thread."""
    names: list[int] = []
    with Workers(4, "worker-of-test") as workers:
        for number in range(10):
            workers.submit(lambda: names.append(threading.get_ident()))
            eventually(lambda number=number: len(names) == number + 1, what="the work")  # type: ignore[misc]
            eventually(lambda: workers.idle == 1, what="an idle thread")
    assert len(set(names)) == 1


def test_all_threads_can_be_busy_at_once() -> None:
    """None waits for another: all meet at a barrier that needs every one of them."""
    barrier = threading.Barrier(8, timeout=10)

    def meet() -> None:
        barrier.wait()

    with Workers(8, "worker-of-test") as workers:
        for _ in range(8):
            workers.submit(meet)
    assert not barrier.broken
