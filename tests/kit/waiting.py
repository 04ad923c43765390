"""Waiting for something to become true, with a deadline: what tests do in place of sleeping."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T | None], within_s: float = 10.0, what: str = "") -> T:
    """The first truthy answer of `condition`; fails with `what` and the last answer when `within_s` have passed."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'the condition'} did not hold within {within_s} s; last: {answer!r}")
        pause.wait(0.02)
