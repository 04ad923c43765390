"""Waiting for something to become true, with a deadline: what tests do in place of sleeping."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T | None], within_s: float = 10.0, what: str = "", every_s: float = 0.02) -> T:
    """The first truthy answer of `condition`, asked `every_s`; fails with `what` when `within_s` have passed."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'the condition'} did not hold within {within_s} s; last: {answer!r}")
        pause.wait(every_s)
