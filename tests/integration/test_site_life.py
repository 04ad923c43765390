"""A site's life at the relay, changed by its command line in another process: revoked, renamed, moved, doubled."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from common import keys
from common.security.device_keys import DeviceKey, encode_public_key
from common.security.key_rotation import prove
from common.tunnel import self_check
from common.tunnel.handshake import HIGHEST_FENCE, EdgeHandshake
from edge.adapters.enrolment import KEY_FILE, NEXT_KEY_FILE, EnrolmentRefused, NotEnrolled, rotate_key
from edge.tunnel import RelayUnavailable
from relay.sites import MOST_LEAP
from tests.kit import site_tokens, tunnel_stack
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def api_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as path:
        yield path


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(tmp_path_factory.mktemp("relay"), f"redis://127.0.0.1:{redis_server.port}/4") as running:
        yield running


def code(relay: tunnel_stack.Relay, site: str) -> str:
    answer = httpx.get(f"{relay.site_url(site)}/api/v1/state", headers=site_tokens.headers(), timeout=20)
    return "ok" if answer.status_code == 200 else str(answer.json()["code"])


def test_a_revoked_site_is_cut_within_a_second(relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path) -> None:
    """Also what streams at that moment; and its edge stays out until it has another code."""
    with (
        tunnel_stack.edge(relay, "stolen", tmp_path / "edge", api_socket) as edge,
        httpx.Client(base_url=relay.site_url("stolen"), headers=site_tokens.headers(), timeout=20) as phone,
        phone.stream("GET", "/api/events") as answer,
    ):
        pieces = answer.iter_raw()
        next(pieces)
        assert "new-code stolen" in tunnel_stack.verb(relay, "revoke", "stolen")
        revoked_at = time.monotonic()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            next(pieces)
        assert time.monotonic() - revoked_at < 1.0
        assert code(relay, "stolen") == "site_offline"
        eventually(lambda: "4403" in edge.detail, what=f"the edge saying so: {edge.detail}")
        assert "not enrolled" in tunnel_stack.verb(relay, "list")
        edge.enrol(relay, "stolen")
        eventually(lambda: code(relay, "stolen") == "ok", 15, "the edge coming back with a new code")


def test_a_removed_site_is_nobodys(relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path) -> None:
    with tunnel_stack.edge(relay, "gone", tmp_path / "edge", api_socket):
        tunnel_stack.verb(relay, "remove", "gone")
        eventually(lambda: code(relay, "gone") == "unknown_site", 1.0, "the site being unknown")


def test_a_renamed_site_keeps_its_tunnel(relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path) -> None:
    """The new name answers within a second, the old one is unknown, and the edge learns of it when it dials again."""
    with tunnel_stack.edge(relay, "first-name", tmp_path / "edge", api_socket) as edge:
        tunnels = relay.process.log().count("event=tunnel_opened")
        assert "/s/second-name/" in tunnel_stack.verb(relay, "rename", "first-name", "second-name")
        eventually(lambda: code(relay, "second-name") == "ok", 1.0, "the new name")
        assert code(relay, "first-name") == "unknown_site"
        assert relay.process.log().count("event=tunnel_opened") == tunnels
        edge.stop()
        edge.start()
        eventually(lambda: code(relay, "second-name") == "ok", 15, "the edge being back")
        eventually(lambda: '"second-name"' in (tmp_path / "edge" / "relay.json").read_text(), what="the edge knowing")
        assert relay.process.log().count("event=tunnel_opened") == tunnels + 1, "its own renaming is no reason to dial"


def test_a_site_moves_with_a_new_code(relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path) -> None:
    """The other box has it at once, and the old one is cut and stays out."""
    with tunnel_stack.edge(relay, "moving", tmp_path / "old", api_socket) as old:
        new = tunnel_stack.Edge(tmp_path / "new", api_socket)
        new.enrol(relay, "moving")
        eventually(lambda: old.status == "failing", 3, "the old edge being cut")
        new.start()
        try:
            eventually(lambda: code(relay, "moving") == "ok", 15, "the new edge")
            assert "4403" in old.detail or "4401" in old.detail
        finally:
            new.stop()


class TestKeyRotation:
    def test_a_new_key_takes_the_old_ones_place(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        """The running edge dials anew with it within seconds, and the old key is worth nothing."""
        data_dir = tmp_path / "edge"
        with tunnel_stack.edge(relay, "rotated", data_dir, api_socket) as edge:
            before = DeviceKey.load(data_dir / KEY_FILE)
            old_file = (data_dir / KEY_FILE).read_bytes()
            tunnels = relay.process.log().count("event=tunnel_opened")
            rotate_key(data_dir)
            assert DeviceKey.load(data_dir / KEY_FILE).public_key != before.public_key
            assert (data_dir / KEY_FILE).stat().st_mode & 0o777 == 0o600
            eventually(
                lambda: relay.process.log().count("event=tunnel_opened") > tunnels and code(relay, "rotated") == "ok",
                5,
                "the edge being back with its new key",
            )
            edge.stop()
            (data_dir / KEY_FILE).write_bytes(old_file)
            edge.start()
            eventually(lambda: "4401" in edge.detail, 10, "the old key being refused")

    def test_a_lost_answer_locks_nobody_out(self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path) -> None:
        """The relay has the new key and the edge does not know that: the same command again settles it."""
        data_dir = tmp_path / "edge"
        with tunnel_stack.edge(relay, "half-rotated", data_dir, api_socket) as edge:
            old_file = (data_dir / KEY_FILE).read_bytes()
            rotate_key(data_dir)
            (data_dir / KEY_FILE).rename(data_dir / NEXT_KEY_FILE)
            (data_dir / KEY_FILE).write_bytes(old_file)
            (data_dir / KEY_FILE).chmod(0o600)
            eventually(lambda: "4401" in edge.detail, 10, "the relay not knowing the old key")
            rotate_key(data_dir)
            eventually(lambda: code(relay, "half-rotated") == "ok", 10, "the edge being back")

    def test_a_relay_that_is_down_changes_nothing(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """The old key stays in use, and the new one is kept for another try."""
        edge = tunnel_stack.Edge(tmp_path, tmp_path / "none.sock")
        edge.enrol(relay, "away")
        stored = (tmp_path / "relay.json").read_text()
        (tmp_path / "relay.json").write_text(stored.replace(str(relay.port), "1"))
        before = (tmp_path / KEY_FILE).read_bytes()
        with pytest.raises(RelayUnavailable):
            rotate_key(tmp_path)
        assert (tmp_path / KEY_FILE).read_bytes() == before
        (tmp_path / "relay.json").write_text(stored)
        kept = DeviceKey.load(tmp_path / NEXT_KEY_FILE).public_key
        rotate_key(tmp_path)
        assert DeviceKey.load(tmp_path / KEY_FILE).public_key == kept
        assert not (tmp_path / NEXT_KEY_FILE).exists()

    def test_nobody_else_can_change_a_key(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """Not without the site's present key, for another relay, for somebody else's key; nor after a revocation."""
        edge = tunnel_stack.Edge(tmp_path, tmp_path / "none.sock")
        edge.enrol(relay, "guarded")
        row = relay.registry.find_named("guarded")
        assert row is not None
        present, stranger, fresh = DeviceKey.load(tmp_path / KEY_FILE), DeviceKey.generate(), DeviceKey.generate()

        def ask(origin: str, site_id: str, old: DeviceKey, signer: DeviceKey, new: DeviceKey = fresh) -> int:
            old_signature, new_signature = prove(origin, site_id, signer, new)
            body = {
                "site_id": site_id,
                "old_key": encode_public_key(old.public_key),
                "new_key": encode_public_key(fresh.public_key),
                "old_signature": tunnel_stack.base64url(old_signature),
                "new_signature": tunnel_stack.base64url(new_signature),
            }
            return httpx.post(f"{relay.url}/rotate-key", json=body).status_code

        assert ask(relay.url, row.site_id, present, stranger) == 403
        assert ask(relay.url, row.site_id, stranger, stranger) == 403
        assert ask("https://other.example.org", row.site_id, present, present) == 403
        assert ask(relay.url, "0" * 16, present, present) == 403
        assert ask(relay.url, row.site_id, present, present, stranger) == 403
        assert httpx.post(f"{relay.url}/rotate-key", json={"site_id": row.site_id}).status_code == 400
        tunnel_stack.verb(relay, "revoke", "guarded")
        with pytest.raises(EnrolmentRefused):
            rotate_key(tmp_path)
        assert not (tmp_path / NEXT_KEY_FILE).exists()

    def test_without_an_enrolment_there_is_nothing_to_rotate(self, tmp_path: Path) -> None:
        with pytest.raises(NotEnrolled):
            rotate_key(tmp_path)


def test_an_edge_that_is_not_reached_any_more_notices_and_dials_anew(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
) -> None:
    """A site that is renamed under a live tunnel: the edge asks by the old name, in vain, and learns the new one."""
    edge = tunnel_stack.Edge(tmp_path / "edge", api_socket)
    edge.enrol(relay, "asking")
    edge.start(checks=True)
    try:
        eventually(lambda: edge.status_of("self_check") == "ok", 15, "the edge reaching itself")
        opened = edge.health.counters()["relay_opened"]
        tunnel_stack.verb(relay, "rename", "asking", "answering")
        eventually(lambda: edge.health.counters()["relay_opened"] > opened, 15, "dialling anew")
        eventually(lambda: edge.status_of("self_check") == "ok", 15, "the edge reaching itself by the new name")
        assert edge.health.counters()["self_check_lost"] >= 2
        assert edge.health.counters()["self_check_redials"] >= 1
    finally:
        edge.stop()


def test_strangers_cannot_use_the_edges_own_question(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
) -> None:
    """Neither without a signature, nor with that of another connection, key or site; the owner's token gets nothing."""
    with tunnel_stack.edge(relay, "closed", tmp_path / "edge", api_socket):
        row = relay.registry.find_named("closed")
        assert row is not None
        key = DeviceKey.load(tmp_path / "edge" / KEY_FILE)
        url = f"{relay.site_url('closed')}{self_check.PATH}"
        for signed in (
            self_check.authorization(DeviceKey.generate(), relay.url, row.site_id, 1),
            self_check.authorization(key, relay.url, row.site_id, 999),
            self_check.authorization(key, relay.url, "another", 1),
            self_check.authorization(key, "https://relay.example.org", row.site_id, 1),
        ):
            assert httpx.get(url, headers={"authorization": signed}).json()["code"] == "invalid_token"
        assert httpx.get(url).json()["code"] == "login_required"
        own = self_check.authorization(key, relay.url, row.site_id, 1)
        assert httpx.get(url, headers={"authorization": own}).status_code == 204
        elsewhere = httpx.get(f"{relay.site_url('closed')}/api/v1/state", headers={"authorization": own})
        assert elsewhere.json()["code"] == "invalid_token"


def test_two_edges_with_one_identity_are_reported_and_the_newest_is_held(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
) -> None:
    """They take turns until the relay sees it; then one stays, the other is told why, and the owner sees both."""
    with tunnel_stack.edge(relay, "doubled", tmp_path / "edge", api_socket) as first:
        second = tunnel_stack.Edge(first.data_dir, api_socket)
        edges = [first, second]
        second.start()
        try:
            eventually(lambda: first.status == "failing", 10, "the first being replaced")
            for turn in range(2):  # as their own pause would do, only sooner
                newest, other = edges[turn % 2], edges[(turn + 1) % 2]
                newest.dial_now()
                eventually(lambda other=other: other.status == "failing", 10, "the other being replaced")  # type: ignore[misc]
            eventually(lambda: second.status == "ok" and "same identity" in second.detail, 10, second.detail)
            first.dial_now()
            eventually(lambda: "same identity" in first.detail, 10, f"the first being told: {first.detail}")
            assert second.status == "ok"
            assert code(relay, "doubled") == "ok"
            assert second.health.counters()["relay_rivals"] == 1
            assert "TWO EDGES" in tunnel_stack.verb(relay, "list")
        finally:
            second.stop()
        first.dial_now()
        eventually(lambda: first.status == "ok", 10, "the first having the site to itself")


class TestFences:
    """Whoever has a site's key for a moment may connect, and leave nothing behind that outlives the key."""

    def test_a_leap_is_refused_and_the_owner_stays(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        with tunnel_stack.edge(relay, "leapt", tmp_path / "edge", api_socket) as edge:
            row = relay.registry.find_named("leapt")
            assert row is not None
            key = DeviceKey.load(tmp_path / "edge" / KEY_FILE)
            for last_fence in (HIGHEST_FENCE, MOST_LEAP + 100):
                told = shake_hands(relay, key, row.site_id, last_fence)
                assert told == (4400, "last_fence leaps: start the edge anew")
            assert code(relay, "leapt") == "ok"
            edge.dial_now()
            eventually(lambda: relay.process.log().count("site=leapt") > 2, what="the edge dialling anew")
            eventually(lambda: code(relay, "leapt") == "ok", 15, "the owner's edge being back")

    @pytest.mark.parametrize("has_key", [True, False])
    def test_used_up_numbers_end_with_their_key(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path, has_key: bool
    ) -> None:
        """Also those in the memory of a relay that was before this one, which knew no keys there."""
        site = f"used-up-{has_key}".lower()
        edge = tunnel_stack.Edge(tmp_path / "edge", api_socket)
        edge.enrol(relay, site)
        row = relay.registry.find_named(site)
        assert row is not None
        with redis.Redis.from_url(relay.environ["WALLPORT_RELAY_REDIS_URL"]) as memory:
            memory.hset(keys.relay_site(row.site_id), "fence", str(1 << 53))
            if has_key:
                memory.hset(keys.relay_site(row.site_id), "fence_key", "0123456789abcdef")
        edge.start()
        try:
            eventually(lambda: code(relay, site) == "ok", 15, f"the edge being online: {edge.detail}")
        finally:
            edge.stop()


def shake_hands(relay: tunnel_stack.Relay, key: DeviceKey, site_id: str, last_fence: int) -> tuple[int, str]:
    """With the right key; how the relay closes after the proof."""
    handshake = EdgeHandshake(
        key, relay_origin=relay.origin, site=site_id, boot_id="thief", last_fence=last_fence, software="thief"
    )
    url = f"{relay.url.replace('http', 'ws')}/tunnel"
    with connect(url, subprotocols=[Subprotocol("wallport-tunnel.v1")], compression=None, proxy=None) as line:
        line.send(handshake.hello())
        challenge = line.recv(10)
        assert isinstance(challenge, bytes)
        line.send(handshake.receive_challenge(challenge))
        with pytest.raises(ConnectionClosed) as caught:
            line.recv(10)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason
