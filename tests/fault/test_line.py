"""The line between home and relay fails in every way a line can: both ends notice, nobody hangs, and it heals."""

import concurrent.futures
import time
from pathlib import Path

import httpx
import pytest

from common.tunnel.limits import KIB, Limits
from tests.kit import tunnel_stack
from tests.kit.faulty_line import FaultyLine
from tests.kit.short_timers import BACK_WITHIN_S, NOTICED_WITHIN_S, WRITE_STALL_S
from tests.kit.site_api import pattern
from tests.kit.waiting import eventually

SITE = "home"
NEVER_S = 300.0  # for a timer that shall not be the one to notice


def is_offline(relay: tunnel_stack.Relay, site: str = SITE) -> bool:
    return httpx.get(f"{relay.site_url(site)}/api/v1/state").status_code == 503


def is_lost(edge: tunnel_stack.Edge) -> bool:
    return edge.status == "failing"


def comes_back(relay: tunnel_stack.Relay, line: FaultyLine, edge: tunnel_stack.Edge, site: str = SITE) -> None:
    line.heal()
    edge.dial_now()
    eventually(lambda: tunnel_stack.is_online(relay, site), BACK_WITHIN_S, f"being online again: {edge.detail}")


class TestHalfOpen:
    """Bytes vanish without any sign, as behind a router that has lost its table; nobody is told."""

    @pytest.mark.parametrize("lost", ["both", "to_server", "to_client"])
    def test_a_silent_line_ends_at_both_ends(
        self, relay: tunnel_stack.Relay, line: FaultyLine, edge: tunnel_stack.Edge, phone: httpx.Client, lost: str
    ) -> None:
        """Also with only one direction gone; a request under way is answered in that time, and the site comes back."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(phone.get, "/api/slow")
            eventually(lambda: edge.streams > 0, what="the request being on its way")
            line.break_off()
            line.to_server.is_swallowed = lost in ("both", "to_server")
            line.to_client.is_swallowed = lost in ("both", "to_client")
            began = time.monotonic()
            eventually(lambda: is_lost(edge), NOTICED_WITHIN_S, "the edge noticing")
            eventually(lambda: is_offline(relay), NOTICED_WITHIN_S, "the relay noticing")
            assert waiting.result(5).status_code in (502, 503, 504)
            assert time.monotonic() - began < NOTICED_WITHIN_S
        comes_back(relay, line, edge)


class TestBlockedSend:
    """The peer takes no bytes, and says nothing about it: liveness is off here, so that only the watchdogs are left."""

    def test_an_edge_that_cannot_send_cuts_the_line(
        self, relay: tunnel_stack.Relay, line: FaultyLine, api_socket: Path, tmp_path: Path
    ) -> None:
        """While a thread of it is blocked in a write that no ping could get past."""
        limits = Limits(ping_after_s=NEVER_S, dead_after_s=NEVER_S, write_stall_s=WRITE_STALL_S)
        with tunnel_stack.edge(relay, "stuck", tmp_path / "edge", api_socket, limits) as edge:
            with tunnel_stack.phone(relay, "stuck") as phone, concurrent.futures.ThreadPoolExecutor(16) as pool:
                downloads = [pool.submit(phone.get, "/api/download", params={"size": 40_000_000}) for _ in range(16)]
                eventually(lambda: edge.streams == 16, what="the downloads being on their way")
                line.to_server.is_held = line.to_client.is_swallowed = True  # the relay's own verdict too
                eventually(lambda: is_lost(edge), NOTICED_WITHIN_S, "the edge noticing")
                assert edge.detail == "the relay takes no bytes"
                line.heal()
                for download in downloads:
                    answer = download.exception() or download.result()
                    assert isinstance(answer, httpx.TransportError) or answer.status_code in (502, 503)  # type: ignore[union-attr]
            comes_back(relay, line, edge, "stuck")

    def test_a_relay_that_cannot_send_cuts_the_line(
        self, relay: tunnel_stack.Relay, line: FaultyLine, api_socket: Path, tmp_path: Path
    ) -> None:
        """Uploads of more than all buffers on the way hold; each phone hears of the failure."""
        limits = Limits(
            ping_after_s=NEVER_S,
            dead_after_s=NEVER_S,
            stream_window_bytes=4096 * KIB,
            connection_window_bytes=16 * 1024 * KIB,
        )
        with (
            tunnel_stack.edge(relay, "deaf", tmp_path / "edge", api_socket, limits) as edge,
            tunnel_stack.phone(relay, "deaf") as phone,
            concurrent.futures.ThreadPoolExecutor(4) as pool,
        ):
            line.to_client.is_held = True
            uploads = [pool.submit(phone.post, "/api/upload", content=b"x" * 8_000_000) for _ in range(4)]
            assert all(upload.result(30).status_code in (502, 504) for upload in uploads)
            eventually(lambda: is_offline(relay, "deaf"), NOTICED_WITHIN_S, "the relay noticing")
            assert "the edge takes no bytes" in relay.process.log()
            comes_back(relay, line, edge, "deaf")


class TestBadLines:
    def test_a_line_that_is_cut_again_and_again_never_shortens_a_body(
        self, relay: tunnel_stack.Relay, line: FaultyLine, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """A download is whole, or fails visibly; the edge is back after each cut."""
        size = 20_000_000
        for _ in range(4):
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):  # noqa: PT012 -- one of these lines
                with phone.stream("GET", "/api/download", params={"size": size}) as answer:
                    for number, _piece in enumerate(answer.iter_raw()):
                        if number == 3:
                            line.cut()
                pytest.fail("taken for whole")
            edge.dial_now()
            eventually(lambda: tunnel_stack.is_online(relay, SITE), BACK_WITHIN_S, "being online again")
        assert phone.get("/api/download", params={"size": 200_000}).content == b"".join(
            pattern(at, min(65_536, 200_000 - at)) for at in range(0, 200_000, 65_536)
        )

    def test_a_long_way_is_only_slower(
        self, relay: tunnel_stack.Relay, line: FaultyLine, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """200 ms there and back, more than a satellite's first hop: nothing breaks, and both ends know the time."""
        line.to_server.delay_s = line.to_client.delay_s = 0.1
        answer = phone.get("/api/v1/state")
        assert answer.status_code == 200
        assert answer.elapsed.total_seconds() > 0.2
        assert len(phone.get("/api/download", params={"size": 100_000}).content) == 100_000
        assert edge.status == "ok"

    def test_a_line_that_trickles_is_given_up(
        self, relay: tunnel_stack.Relay, line: FaultyLine, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """One byte a second is no tunnel: it counts as dead, though something always comes, and the phone is told."""
        line.to_server.bytes_per_s = line.to_client.bytes_per_s = 1.0
        began = time.monotonic()
        assert phone.get("/api/v1/state").status_code in (502, 503, 504)
        assert time.monotonic() - began < NOTICED_WITHIN_S
        eventually(lambda: is_offline(relay), NOTICED_WITHIN_S, "the relay giving up")
        eventually(lambda: is_lost(edge), NOTICED_WITHIN_S, "the edge giving up")
        comes_back(relay, line, edge)
