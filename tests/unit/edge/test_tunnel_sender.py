"""Who sends: whoever has something, or the writer; never two at once, never nobody."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from edge.loops.sender import Sender
from edge.tunnel import RelayUnavailable
from tests.kit.waiting import eventually


@dataclass
class Core:
    """As much of a TunnelConnection as a sender knows."""

    queued: list[bytes] = field(default_factory=list)

    def data_to_send(self) -> bytes | None:
        return self.queued.pop(0) if self.queued else None


@dataclass
class Line:
    """A socket that remembers what was sent, and by which thread. Knobs: `gate` holds sends up, `is_broken` fails."""

    sent: list[bytes] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    is_broken: bool = False
    _one: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: bytes) -> None:
        assert self._one.acquire(blocking=False), "two threads send at once"
        try:
            assert self.gate.wait(10)
            if self.is_broken:
                raise RelayUnavailable("cut")
            self.sent.append(message)
            self.threads.append(threading.current_thread().name)
        finally:
            self._one.release()


class Rig:
    def __init__(self) -> None:
        self.core, self.line, self.lock = Core(), Line(), threading.Lock()
        self.failures: list[RelayUnavailable] = []
        self.sender = Sender(self.core, self.lock, self.line, self.failures.append)  # type: ignore[arg-type]
        self.writer = threading.Thread(target=self.sender.run, name="writer")
        self.writer.start()

    def flush(self, *messages: bytes) -> None:
        """As a serving thread does it."""
        with self.lock:
            self.core.queued += messages
            message = self.sender.take()
        if message is not None:
            self.sender.send(message)

    def hand_over(self, *messages: bytes) -> None:
        """As the reader does it."""
        with self.lock:
            self.core.queued += messages
            self.sender.hand_over()

    def end(self) -> None:
        self.line.gate.set()
        with self.lock:
            self.sender.end()
        self.writer.join(10)
        assert not self.writer.is_alive()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def in_thread(call: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=call, name=name)
    thread.start()
    return thread


def test_a_thread_sends_what_it_has_queued_and_no_more(rig: Rig) -> None:
    """One message; what else there is goes to the writer."""
    rig.line.gate.set()
    rig.flush(b"1", b"2", b"3")
    eventually(lambda: rig.line.sent == [b"1", b"2", b"3"], what="all being sent")
    assert rig.line.threads == [threading.current_thread().name, "writer", "writer"]
    rig.end()


def test_who_finds_another_sending_goes_on_at_once(rig: Rig) -> None:
    """And what it queued is sent afterwards."""
    slow = in_thread(lambda: rig.flush(b"1"), "slow")
    eventually(lambda: rig.sender.sending_since is not None, what="the first being at it")
    rig.flush(b"2")  # returns although nothing can be sent
    rig.hand_over(b"3")
    assert rig.line.sent == []
    rig.line.gate.set()
    eventually(lambda: rig.line.sent == [b"1", b"2", b"3"], what="all being sent")
    slow.join()
    assert rig.sender.sending_since is None
    rig.end()


def test_the_reader_never_sends(rig: Rig) -> None:
    """It must not block, so the writer does, also while the kernel takes nothing."""
    rig.hand_over(b"1")
    rig.hand_over(b"2")
    rig.line.gate.set()
    eventually(lambda: rig.line.threads == ["writer", "writer"], what="both being sent")
    rig.end()


def test_at_the_end_everything_is_sent_first(rig: Rig) -> None:
    """Also what somebody else is just sending."""
    slow = in_thread(lambda: rig.flush(b"1", b"2"), "slow")
    eventually(lambda: rig.sender.sending_since is not None, what="the first being at it")
    with rig.lock:
        rig.core.queued.append(b"goodbye")
    rig.end()
    slow.join()
    assert rig.line.sent == [b"1", b"2", b"goodbye"]


def test_a_broken_line_is_told_once_and_ends_the_writer(rig: Rig) -> None:
    """Nothing more is tried on it."""
    rig.line.is_broken = True
    rig.line.gate.set()
    rig.flush(b"1", b"2")
    rig.flush(b"3")
    rig.end()
    assert len(rig.failures) == 1


def test_many_threads_lose_nothing(rig: Rig) -> None:
    """Whatever the interleaving, every message is sent once."""
    rig.line.gate.set()
    wanted = {b"%d" % number for number in range(2000)}

    def flush_some(first: int) -> None:
        for number in range(first, 2000, 8):
            (rig.flush if number % 3 else rig.hand_over)(b"%d" % number)

    threads = [in_thread(lambda first=first: flush_some(first), f"t{first}") for first in range(8)]  # type: ignore[misc]
    for thread in threads:
        thread.join()
    rig.end()
    assert len(rig.line.sent) == 2000
    assert set(rig.line.sent) == wanted
