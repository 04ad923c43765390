"""When an edge that looks well from home gives its connection up, and what its owner is told meanwhile."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from common.clock import SystemClock
from common.health import ComponentHealth, Health, Status
from common.security.device_keys import DeviceKey, DeviceKeyUnusable
from edge.loops.self_check import SelfCheckLoop
from edge.self_check import MOST_FAILURES, Connected, Finding, Judge, finding_of
from edge.tunnel import RelayUnavailable
from tests.kit.waiting import eventually

CONNECTED = Connected("https://relay.example.org", "site-1", "home", fence=7, has_self_check=True)
KEY = DeviceKey.generate()


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (204, Finding.REACHED),
        (200, Finding.LOST),  # somebody else answers under this name
        (401, Finding.LOST),  # another edge has the site
        (404, Finding.LOST),  # it was renamed
        (429, Finding.UNKNOWN),
        (502, Finding.LOST),
        (503, Finding.LOST),
        (None, Finding.LOST),
    ],
)
def test_what_an_answer_means(status: int | None, finding: Finding) -> None:
    assert finding_of(status) is finding


def test_two_failures_in_a_row_end_a_connection() -> None:
    judge = Judge()
    assert [judge.note(finding) for finding in (Finding.LOST, Finding.REACHED, Finding.LOST, Finding.LOST)] == [
        False,
        False,
        False,
        True,
    ]


def test_a_relay_that_cannot_be_asked_ends_none() -> None:
    """Whoever cannot reach it could not dial anew either; and between two failures it proves nothing."""
    judge = Judge()
    assert not any(judge.note(Finding.UNREACHABLE) for _ in range(100))
    assert not judge.note(Finding.LOST)
    assert not judge.note(Finding.UNKNOWN)
    assert judge.note(Finding.LOST)


def test_where_dialling_anew_does_not_help_it_becomes_rare() -> None:
    """A relay whose own address leads nowhere must not cost the site its tunnel every two minutes."""
    judge = Judge()
    ends = [number for number in range(1, 200) if judge.note(Finding.LOST)]
    gaps = [later - earlier for earlier, later in zip([0, *ends], ends, strict=False)]
    assert gaps[:5] == [2, 4, 8, 16, 32]
    assert set(gaps[5:]) == {MOST_FAILURES}
    judge.note(Finding.REACHED)
    assert [judge.note(Finding.LOST) for _ in range(2)] == [False, True]


def test_checks_of_many_sites_are_spread() -> None:
    """Every five minutes, sooner while something is wrong, and never all at once."""
    judge = Judge(random.Random(1))
    for pauses, middle_s in (
        ([judge.pause_s(Finding.REACHED) for _ in range(200)], 300),
        ([judge.pause_s(Finding.LOST) for _ in range(200)], 60),
        ([judge.first_pause_s() for _ in range(200)], 30),
    ):
        assert middle_s * 0.8 <= min(pauses) < middle_s * 0.85
        assert middle_s * 1.15 < max(pauses) <= middle_s * 1.2


class _Tunnel:
    def __init__(self, connected: Connected | None) -> None:
        self.connected = connected
        self.dials = 0

    def current(self) -> Connected | None:
        return self.connected

    def dial_anew(self, why: str) -> None:
        self.dials += 1


class _PublicUrl:
    """Answers with what `answer` is: a status, none, or that nobody can be reached."""

    def __init__(self, answer: int | str | None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []
        self.on_ask: Callable[[], None] = lambda: None

    def ask(self, relay_url: str, target: str, authorization: str) -> int | None:
        self.asked.append((relay_url, target))
        self.on_ask()
        if isinstance(self.answer, str):
            raise RelayUnavailable(self.answer)
        return self.answer


class _AtOnce(Judge):
    def first_pause_s(self) -> float:
        return 0.0

    def pause_s(self, finding: Finding) -> float:
        return 0.0


@contextmanager
def _running(
    tunnel: _Tunnel, url: _PublicUrl, health: Health, key: Callable[[], DeviceKey] = lambda: KEY
) -> Iterator[None]:
    loop = SelfCheckLoop(tunnel, key, url, health, _AtOnce(), look_every_s=0.001)
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def _told(health: Health) -> ComponentHealth | None:
    return health.components().get("self_check")


def test_a_site_that_is_reached_is_left_alone() -> None:
    tunnel, url, health = _Tunnel(CONNECTED), _PublicUrl(204), Health(SystemClock())
    with _running(tunnel, url, health):
        eventually(lambda: len(url.asked) >= 3, what="three checks")
    assert url.asked[0] == ("https://relay.example.org", "/s/home/self-check")
    assert (told := _told(health)) is not None
    assert told.status is Status.OK
    assert tunnel.dials == 0


def test_a_site_that_is_not_reached_dials_anew_and_says_so() -> None:
    tunnel, url, health = _Tunnel(CONNECTED), _PublicUrl(503), Health(SystemClock())
    with _running(tunnel, url, health):
        eventually(lambda: tunnel.dials > 0, what="dialling anew")
        assert len(url.asked) >= 2
        assert (told := _told(health)) is not None
        assert (told.status, "HTTP 503" in (told.detail or "")) == (Status.FAILING, True)
        url.answer = 204
        eventually(lambda: (part := _told(health)) is not None and part.status is Status.OK, what="recovering")
    assert health.counters()["self_check_redials"] >= 1


def test_an_address_that_cannot_be_reached_is_said_and_ends_nothing() -> None:
    tunnel, url, health = _Tunnel(CONNECTED), _PublicUrl("the name is unknown"), Health(SystemClock())
    with _running(tunnel, url, health):
        eventually(lambda: len(url.asked) >= 10, what="ten checks")
    assert (told := _told(health)) is not None
    assert (told.status, "the name is unknown" in (told.detail or "")) == (Status.FAILING, True)
    assert tunnel.dials == 0


def test_a_failure_of_a_connection_that_is_gone_does_not_count() -> None:
    """The tunnel was dialled anew while the question was on its way."""
    tunnel, url, health = _Tunnel(CONNECTED), _PublicUrl(401), Health(SystemClock())
    fences = iter(range(8, 1_000_000))

    def reconnect() -> None:
        tunnel.connected = Connected("https://relay.example.org", "site-1", "home", next(fences), has_self_check=True)

    url.on_ask = reconnect
    with _running(tunnel, url, health):
        eventually(lambda: len(url.asked) >= 10, what="ten checks")
    assert tunnel.dials == 0
    assert (told := _told(health)) is not None
    assert told.status is Status.DISABLED


@pytest.mark.parametrize(
    "connected", [None, Connected("https://old.example.org", "site-1", "home", fence=7, has_self_check=False)]
)
def test_without_a_tunnel_or_at_an_older_relay_nothing_is_asked(connected: Connected | None) -> None:
    tunnel, url, health = _Tunnel(connected), _PublicUrl(204), Health(SystemClock())
    with _running(tunnel, url, health):
        eventually(lambda: _told(health), what="a first look")
    assert not url.asked


def test_an_unusable_key_ends_nothing() -> None:
    """It is being rotated, or the tunnel's own loop will tell."""
    tunnel, url, health = _Tunnel(CONNECTED), _PublicUrl(204), Health(SystemClock())
    tries = []

    def broken() -> DeviceKey:
        tries.append(1)
        raise DeviceKeyUnusable("the edge's key file cannot be read")

    with _running(tunnel, url, health, broken):
        eventually(lambda: len(tries) >= 5, what="five tries")
    assert tunnel.dials == 0
    assert not url.asked
