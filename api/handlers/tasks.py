"""Ending tasks for certain."""

import asyncio
from typing import Any

CANCEL_AGAIN_S = 0.2


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks and return when they have ended.

    Cancels more than once: redis-py 8.1 swallows a cancellation that arrives while it connects (seen by trying), and
    its caller would go on as if nothing had happened.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
