"""The relay as a process: its command line, enrolment, and bad days of what it leans on."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from common.errors import AppError, FieldError
from common.redis_door import OPEN
from common.security.device_keys import DeviceKey, encode_public_key
from edge.adapters.enrolment import EnrolmentRefused, checked_relay_url, enrol
from relay.adapters.registry import CODE_LIFE_S, NoSuchSite, SiteExists, open_registry
from relay.ports import BadCode
from tests.kit import site_tokens, tunnel_stack
from tests.kit.ports import reserved_port
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
KEY = encode_public_key(DeviceKey.generate().public_key)


def call(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "relay", *arguments],
        env=tunnel_stack.environ() | dict(settings),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> dict[str, str]:
    return {"WALLPORT_DATA_DIR": str(tmp_path / "data"), "WALLPORT_RELAY_REDIS_URL": redis_url}


@pytest.fixture
def relay(tmp_path: Path, own_redis: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(tmp_path / "relay", own_redis.url) as running:
        yield running


def code_in(output: str) -> str:
    found = re.search(r"(?m)^code: (\S+)$", output)
    assert found is not None, output
    return found[1]


class TestCommandLine:
    def test_bad_settings_are_all_named_with_exit_code_2(self) -> None:
        bad = {"WALLPORT_RELAY_PORT": "x", "WALLPORT_RELAY_ORIGIN": "ftp://x", "WALLPORT_RELAY_SPELT_WRONG": "1"}
        for command in ("check-config", "run"):
            done = call(bad, command)
            assert done.returncode == 2
            assert all(name in done.stderr for name in bad)
            assert "Traceback" not in done.stderr

    def test_sites_are_added_listed_given_codes_and_removed(self, settings: dict[str, str]) -> None:
        added = call(settings, "site", "add", "home")
        assert added.returncode == 0
        first = code_in(added.stdout)
        assert len(first.replace("-", "")) * 5 >= 128  # base32
        assert "home" in call(settings, "site", "list").stdout
        assert call(settings, "site", "add", "home").returncode == 1
        assert call(settings, "site", "add", "No Slug").returncode == 2
        assert code_in(call(settings, "site", "new-code", "home").stdout) != first
        assert call(settings, "site", "remove", "home").returncode == 0
        assert call(settings, "site", "remove", "home").returncode == 1
        assert call(settings, "site", "list").stdout == ""

    def test_a_code_is_stored_as_a_hash_only(self, settings: dict[str, str], tmp_path: Path) -> None:
        code = code_in(call(settings, "site", "add", "home").stdout)
        stored = (tmp_path / "data" / "relay.sqlite").read_bytes()
        assert code.encode() not in stored
        assert code.replace("-", "").encode() not in stored

    def test_sites_are_listed_without_redis(self, settings: dict[str, str]) -> None:
        call(settings, "site", "add", "home")
        listed = call(settings | {"WALLPORT_RELAY_REDIS_URL": "redis://127.0.0.1:1/0"}, "site", "list")
        assert (listed.returncode, "Redis does not answer" in listed.stdout) == (0, True)


class TestRegistry:
    """The same on SQLite and on a real MariaDB."""

    @pytest.fixture(params=["sqlite_url", "mariadb_url"])
    def url(self, request: pytest.FixtureRequest) -> str:
        return str(request.getfixturevalue(request.param))

    def test_a_code_works_once_and_for_ten_minutes(self, url: str) -> None:
        registry = open_registry(url)
        code = registry.add("home", now=1000.0)
        with pytest.raises(BadCode):
            registry.enrol(code, KEY, now=1000.0 + CODE_LIFE_S)
        with pytest.raises(BadCode):
            registry.enrol("nonsense", KEY, now=1001.0)
        row = registry.enrol(f" {code.lower().replace('-', ' ')}", KEY, now=1001.0)  # as people copy it
        assert (row.name, row.public_key, row.enrolled_at) == ("home", KEY, 1001)
        with pytest.raises(BadCode):
            registry.enrol(code, KEY, now=1002.0)
        assert registry.find(row.site_id) == row
        assert registry.keys_of([row.site_id, "gone"]) == {row.site_id: ("home", KEY)}
        registry.close()

    def test_a_new_code_replaces_the_old_one_and_not_the_edge(self, url: str) -> None:
        registry = open_registry(url)
        first = registry.enrol(registry.add("home", now=1000.0), KEY, now=1001.0)
        old, new = registry.new_code("home", now=1002.0), registry.new_code("home", now=1003.0)
        assert registry.find(first.site_id) is not None
        with pytest.raises(BadCode):
            registry.enrol(old, KEY, now=1004.0)
        other = encode_public_key(DeviceKey.generate().public_key)
        again = registry.enrol(new, other, now=1004.0)
        assert (again.site_id, again.public_key) == (first.site_id, other)
        registry.close()

    def test_names_are_slugs_and_once(self, url: str) -> None:
        registry = open_registry(url)
        registry.add("home", now=1.0)
        with pytest.raises(SiteExists):
            registry.add("home", now=1.0)
        with pytest.raises(FieldError):
            registry.add("Häuschen", now=1.0)
        with pytest.raises(NoSuchSite):
            registry.remove("other")
        registry.remove("home")
        registry.add("home", now=1.0)
        registry.close()


class TestEnrolment:
    def test_an_edge_learns_who_it_is(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """The key file is readable by its owner only, and the code is gone."""
        code = relay.code_for("home")
        enrolment = enrol(relay.url, code, tmp_path / "edge")
        assert (enrolment.site, enrolment.relay_url) == ("home", relay.url)
        assert (tmp_path / "edge" / "edge_key.pem").stat().st_mode & 0o077 == 0
        assert code not in (tmp_path / "edge" / "relay.json").read_text()
        before = (tmp_path / "edge" / "relay.json").read_text(), (tmp_path / "edge" / "edge_key.pem").read_bytes()
        with pytest.raises(EnrolmentRefused, match="wrong, was used, or has expired"):
            enrol(relay.url, code, tmp_path / "edge")
        after = (tmp_path / "edge" / "relay.json").read_text(), (tmp_path / "edge" / "edge_key.pem").read_bytes()
        assert before == after
        assert code not in relay.process.log()

    def test_an_edge_that_was_told_another_name_keeps_its_code(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """The relay is reached by a name that is not its own: both are named, nothing is stored, the code is good."""
        code = relay.code_for("misnamed")
        other = relay.url.replace("127.0.0.1", "localhost")
        with pytest.raises(EnrolmentRefused) as refused:
            enrol(other, code, tmp_path / "edge")
        assert f"calls itself {relay.url} " in refused.value.message
        assert f"was asked as {other}." in refused.value.message
        assert code not in refused.value.message
        assert not (tmp_path / "edge").exists()
        assert enrol(relay.url, code, tmp_path / "edge").site == "misnamed"

    def test_malformed_requests_are_told_what_is_wrong(self, relay: tunnel_stack.Relay) -> None:
        origin = relay.url.encode()
        for body, status in [
            (b"nonsense", 400),
            (b"[]", 400),
            (b'{"code": 1, "public_key": "x"}', 400),
            (b'{"code": "x"}', 400),
            (b'{"code": "x", "public_key": "short", "relay_origin": "%b"}' % origin, 400),
            (b'{"code": "x", "public_key": "%b", "relay_origin": "%b", "more": 1}' % (KEY.encode(), origin), 400),
            (b'{"code": "x", "public_key": "%b", "relay_origin": "nowhere"}' % KEY.encode(), 400),
            (b'{"code": "x", "public_key": "%b", "relay_origin": "https://x"}' % KEY.encode(), 409),
            (b'{"code": "x", "public_key": "%b", "relay_origin": "%b"}' % (KEY.encode(), origin), 403),
            (b" " * 100_000, 400),
        ]:
            answer = httpx.post(f"{relay.url}/enroll", content=body)
            assert (answer.status_code, answer.json()["status"]) == (status, status)
            assert answer.headers["content-type"] == "application/problem+json"
        assert httpx.get(f"{relay.url}/enroll").status_code == 405

    @pytest.mark.parametrize(
        "url",
        ["http://relay.example.org", "ftp://x", "relay.example.org", "https://x/path", "https://u@x", "https://x:y"],
    )
    def test_an_edge_does_not_send_its_code_anywhere(self, url: str) -> None:
        with pytest.raises(FieldError):
            checked_relay_url(url)

    def test_a_relay_that_is_away_is_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(AppError, match="cannot be reached"):
            enrol("http://127.0.0.1:1", "X", tmp_path)
        assert not (tmp_path / "relay.json").exists()


def test_what_it_does_is_told_to_prometheus_and_to_its_owner(tmp_path: Path, own_redis: RedisServer) -> None:
    """On a listener apart from the public one; the round trip also by `site list`."""
    with (
        reserved_port() as metrics_port,
        tunnel_stack.relay(
            tmp_path / "relay", own_redis.url, metrics=f"127.0.0.1:{metrics_port}", ping_after_s=1
        ) as relay,
        tunnel_stack.site_api(tmp_path / "api") as api_socket,
        tunnel_stack.edge(relay, "home", tmp_path / "edge", api_socket),
    ):
        assert httpx.get(f"{relay.url}/metrics").status_code == 404
        httpx.get(f"{relay.site_url('home')}/api/v1/state", timeout=20)
        found = eventually(lambda: _figures(metrics_port, "wallport_relay_rtt_seconds_count"), 20, "a round trip")
        assert found["wallport_relay_tunnels"] == 1
        assert found["wallport_relay_tunnels_opened_total"] == 1
        assert found['wallport_relay_requests_total{kind="http"}'] >= 1
        assert found['wallport_relay_requests_refused_total{code="login_required"}'] == 1
        assert found["wallport_relay_overhead_seconds_count"] >= 1
        assert found['wallport_component_ok{component="redis"}'] == 1
        eventually(lambda: "round trip" in call(relay.environ, "site", "list").stdout, 20, "the round trip in the list")
        assert "home" not in "".join(found)
        line = call(relay.environ, "site", "list").stdout
        assert re.search(r"^home +enrolled \S+ +online, seen \S+, round trip \d+\.\d ms$", line, re.MULTILINE)


def _figures(port: int, awaited: str) -> dict[str, float] | None:
    """What Prometheus would read, once `awaited` is not zero any more."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
    return found if found.get(awaited) else None


class TestBadDays:
    def test_without_redis_traffic_goes_on_and_readiness_says_so(
        self, relay: tunnel_stack.Relay, own_redis: RedisServer, tmp_path: Path
    ) -> None:
        """A running tunnel stays, a new one is taken, and readiness recovers by itself."""
        with (
            tunnel_stack.site_api(tmp_path / "api") as api_socket,
            tunnel_stack.edge(relay, "home", tmp_path / "edge", api_socket) as edge,
        ):
            eventually(lambda: readiness(relay) == (200, "ok", "ok"), what="readiness")
            door = eventually(lambda: httpx.get(f"{relay.url}/readyz").json()["components"].get("redis_access"))
            assert door["detail"] == OPEN  # as the tests' own is
            own_redis.stop()
            eventually(lambda: readiness(relay) == (503, "failing", "ok"), what="readiness naming redis")
            assert tunnel_stack.is_online(relay, "home")
            edge.stop()
            answer = eventually(lambda: offline(relay, "home"), what="the site being offline")
            assert answer.json()["since"] is not None
            assert answer.elapsed.total_seconds() < 1
            edge.start()
            eventually(lambda: tunnel_stack.is_online(relay, "home"), 20, "the site being online without redis")
            own_redis.start()
            eventually(lambda: readiness(relay) == (200, "ok", "ok"), 20, "readiness after redis came back")

    def test_a_killed_relay_is_found_again_by_its_edges(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """Nobody touches the edge; it dials again with growing pauses."""
        with (
            tunnel_stack.site_api(tmp_path / "api") as api_socket,
            tunnel_stack.edge(relay, "home", tmp_path / "edge", api_socket) as edge,
        ):
            relay.process.kill()
            eventually(lambda: edge.status == "failing", what="the edge noticing")
            relay.process.start()
            eventually(lambda: tunnel_stack.is_online(relay, "home"), 30, "the site being online again")
            eventually(lambda: edge.status == "ok", what="the edge saying so")

    def test_since_when_a_site_is_offline_survives_a_restart(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        with (
            tunnel_stack.site_api(tmp_path / "api") as api_socket,
            tunnel_stack.edge(relay, "home", tmp_path / "edge", api_socket) as edge,
        ):
            edge.stop()
            eventually(lambda: offline(relay, "home"), what="the site being offline")
        relay.process.stop()
        relay.process.start()
        answer = httpx.get(f"{relay.site_url('home')}/api/v1/state", headers=site_tokens.headers())
        assert (answer.status_code, answer.json()["code"]) == (503, "site_offline")
        assert answer.json()["since"] is not None

    def test_sigterm_ends_in_order(self, settings: dict[str, str], tmp_path: Path) -> None:
        """With a tunnel up: the edge is told, and the exit code is 0."""
        with tunnel_stack.relay(tmp_path / "relay", settings["WALLPORT_RELAY_REDIS_URL"]) as relay:
            running = tunnel_stack.Edge(tmp_path / "edge", tmp_path / "none.sock")
            running.enrol(relay, "home")
            running.start()
            try:
                eventually(lambda: running.status == "ok", what="the tunnel")
                started_at = time.monotonic()
                assert relay.process.stop() == 0
                assert time.monotonic() - started_at < 5
                eventually(lambda: running.status == "failing", what="the edge hearing of it")
            finally:
                running.stop()


def readiness(relay: tunnel_stack.Relay) -> tuple[int, str, str]:
    answer = httpx.get(f"{relay.url}/readyz")
    components = answer.json()["components"]
    return answer.status_code, components["redis"]["status"], components["database"]["status"]


def offline(relay: tunnel_stack.Relay, site: str) -> httpx.Response | None:
    answer = httpx.get(f"{relay.site_url(site)}/api/v1/state")
    return answer if answer.status_code == 503 else None
