"""Threads that serve the tunnel's requests: started when none is idle, kept for the next, bounded.

`concurrent.futures` does the same for two to three times the CPU time, spent on results that nobody here asks for.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType

from edge.tunnel import NoThreadLeft


class Workers:
    """At most `most` threads; leaving the context waits until all work is done."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()  # bounded by the tunnel's streams
        self._lock = threading.Lock()  # guards the rest; `idle` threads wait for work
        self._threads: set[threading.Thread] = set()
        self.idle = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work` done, which must not raise. It waits for a thread if all are busy; never blocks the caller.

        Raises NoThreadLeft, and does nothing, when one more may be started and cannot.
        """
        with self._lock:
            if self.idle > 0:
                self.idle -= 1
            elif len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as exc:  # Python's word for it
                    raise NoThreadLeft("the system allows no more threads", detail=str(exc)) from exc
                self._threads.add(thread)
        self._waiting.put(work)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._waiting.put(None)
        for thread in threads:
            thread.join()

    def _run(self) -> None:
        try:
            while (work := self._waiting.get()) is not None:
                work()
                del work  # an idle thread must not keep the last request's stream alive
                with self._lock:
                    self.idle += 1
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
