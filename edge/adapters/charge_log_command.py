"""Asks openWB 2.x for months of its charge log, through the session that the edge keeps with its broker.

The answer comes on a topic of our own, which nobody mirrors: it says who charged when. Source: openWB's
`helpermodules/command.py`; the command's name ends the topic, or an openWB with user management drops it.
"""

import json
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from common.clock import uptime_s
from edge.charge_log.errors import ChargeLogUnavailable
from edge.charge_log.schedule import Month
from edge.commands import NotSent, Unacknowledged

ANSWERED_WITHIN_S = 15.0  # commands run one after another there, and some take a second
LOOK_S = 0.25  # how soon a stop is noticed

_COMMAND = "getChargeLog"
_ANYTHING: dict[str, dict[str, list[str]]] = {
    "chargepoint": {"id": []},
    "vehicle": {"id": [], "tag": [], "chargemode": []},
}


class Session(Protocol):
    """The session with the broker; see edge/adapters/mqtt.py."""

    client_id: str

    def hear_aside(self, topic: str, hear: Callable[[bytes], None]) -> None: ...

    def publish(self, topic: str, payload: str, until: float) -> None: ...


class ChargeLogCommand:
    """To be made before the session runs. `read` is for one thread.

    An answer does not say to which month it belongs, so odd and even months have a topic each: one that comes too late
    is not taken for that to the question after it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answers = tuple(queue.Queue[bytes](maxsize=1) for _ in range(2))
        for number, answers in enumerate(self._answers):
            session.hear_aside(f"openWB/log/{self._name(number)}/data", partial(_put, answers))

    def read(self, month: Month, stop: threading.Event) -> bytes:
        """The answer for a month. Blocks until it comes, `stop` is set, or ANSWERED_WITHIN_S have passed; raises
        ChargeLogUnavailable.
        """
        number = month.month % 2
        answers = self._answers[number]
        with suppress(queue.Empty):  # what came after the last question was given up
            answers.get_nowait()
        data = {"year": f"{month.year:04d}", "month": f"{month.month:02d}", "filter": _ANYTHING}
        payload = json.dumps({"command": _COMMAND, "data": data})
        deadline = time.monotonic() + ANSWERED_WITHIN_S
        try:
            topic = f"openWB/set/command/{self._name(number)}/todo/{_COMMAND}"
            self._session.publish(topic, payload, uptime_s() + ANSWERED_WITHIN_S)
        except (NotSent, Unacknowledged) as exc:
            raise ChargeLogUnavailable("the wallbox could not be asked for its charge log", detail=exc.message) from exc
        while not stop.is_set() and time.monotonic() < deadline:
            with suppress(queue.Empty):
                return answers.get(timeout=LOOK_S)
        raise ChargeLogUnavailable("the wallbox did not answer with its charge log")

    def _name(self, number: int) -> str:
        return f"{self._session.client_id}-{number}"


def _put(answers: queue.Queue[bytes], payload: bytes) -> None:
    with suppress(queue.Full):  # nobody asked
        answers.put_nowait(payload)
