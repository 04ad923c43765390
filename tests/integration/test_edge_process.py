"""The edge as a process: its command line, its exit codes, and bad days of everything around it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import redis
from paho.mqtt import publish as paho_publish

from common import keys
from common.model import EdgeHealth
from common.store import samples
from common.store.bind import open_store
from tests.kit import servers
from tests.kit.ports import reserved_port
from tests.kit.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
EDGE = [sys.executable, "-m", "edge"]


def _environ(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours alone: whoever runs the tests may have settings of a real site."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}
    return inherited | dict(settings)


def _call(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*EDGE, *arguments]
    return subprocess.run(
        command, env=_environ(settings), cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False
    )


@contextmanager
def _running(settings: Mapping[str, str], log_file: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log_file.open("wb") as log:
        process = subprocess.Popen([*EDGE, "run"], env=_environ(settings), cwd=REPOSITORY, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def settings(tmp_path: Path, broker: servers.Broker, own_redis: servers.RedisServer) -> dict[str, str]:
    return {
        "WALLPORT_EDGE_MQTT_URL": broker.url,
        "WALLPORT_EDGE_DIALECT": "1.9",
        "WALLPORT_REDIS_URL": own_redis.url,
        "WALLPORT_DATABASE_URL": f"sqlite://{tmp_path / 'edge.sqlite'}",
        "WALLPORT_DATA_DIR": str(tmp_path / "data"),
    }


@pytest.fixture
def reader(own_redis: servers.RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_redis.url) as client:
        yield client


def _health(reader: redis.Redis) -> EdgeHealth | None:
    try:
        text: Any = reader.get(keys.edge_health())
    except redis.RedisError:
        return None
    return msgspec.json.decode(text, type=EdgeHealth) if text else None


def _status(reader: redis.Redis, component: str) -> str | None:
    health = _health(reader)
    return str(health.components[component]["status"]) if health and component in health.components else None


def _counter(reader: redis.Redis, name: str) -> int:
    health = _health(reader)
    return health.counters.get(name, 0) if health else 0


def _grid_power(reader: redis.Redis) -> object:
    text: Any = reader.get(keys.state())
    return ((msgspec.json.decode(text)["state"] if text else {}).get("grid") or {}).get("power_w")


def _recorded_grid_powers(url: str) -> list[object]:
    store = open_store(url)
    rows = samples.between(store, 0, 2**33, 1000)
    store.close()
    return [row.grid_power_w for row in rows]


def _publish(broker: servers.Broker, topic: str, payload: str) -> None:
    paho_publish.single(f"openWB/{topic}", payload, retain=True, hostname=broker.host, port=broker.port)


@pytest.mark.parametrize("command", ["run", "check-config", "health"])
def test_bad_settings_are_all_named_and_exit_2(command: str) -> None:
    """Missing, malformed and unknown ones, on standard error, without their values."""
    bad = {"WALLPORT_EDGE_MQTT_URL": "http://me:secret-of-tests@host", "WALLPORT_EDGE_TYPO": "1"}
    done = _call(bad, command)
    assert done.returncode == 2
    for name in ("WALLPORT_EDGE_MQTT_URL", "WALLPORT_EDGE_TYPO", "WALLPORT_DATABASE_URL"):
        assert name in done.stderr
    assert "secret-of-tests" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_clock_is_named_and_exits_2(settings: dict[str, str]) -> None:
    """It is input like any other."""
    done = _call(settings, "run", "--clock", "tomorrow")
    assert done.returncode == 2
    assert "clock" in done.stderr


def test_check_config_starts_nothing(settings: dict[str, str]) -> None:
    """Good settings exit 0 though nothing was asked."""
    assert _call(settings | {"WALLPORT_REDIS_URL": "redis://127.0.0.1:1/0"}, "check-config").returncode == 0


def test_enrolling_tells_what_is_wrong(settings: dict[str, str], tmp_path: Path) -> None:
    """A URL of the wrong form is bad input, a relay that is not there a failure; neither leaves anything behind."""
    done = _call(settings, "enroll", "--relay", "relay.example.org", "--code", "1")
    assert (done.returncode, "https://" in done.stderr) == (2, True)
    with reserved_port() as port:
        done = _call(settings, "enroll", "--relay", f"http://127.0.0.1:{port}", "--code", "1")
    assert done.returncode == 1
    assert done.stderr.strip() == "the relay cannot be reached: nothing listens on that port"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(
    number: signal.Signals, settings: dict[str, str], broker: servers.Broker, reader: redis.Redis, tmp_path: Path
) -> None:
    """Exit code 0 within seconds, all loops stopped."""
    with _running(settings, tmp_path / "edge.log") as process:
        _publish(broker, "evu/W", "215")
        eventually(lambda: _grid_power(reader) == 215)
        process.send_signal(number)
        assert process.wait(10) == 0
    log = (tmp_path / "edge.log").read_text()
    assert "edge_stopped" in log
    assert "loop_did_not_stop" not in log
    assert "Traceback" not in log


def test_health_tells_how_it_is(
    settings: dict[str, str],
    broker: servers.Broker,
    own_redis: servers.RedisServer,
    reader: redis.Redis,
    tmp_path: Path,
) -> None:
    """Exit 0 when nothing is failing, 1 when something is, when no edge runs, and when Redis is gone."""
    assert _call(settings, "health").returncode == 1
    with (
        reserved_port() as metrics_port,
        _running(settings | {"WALLPORT_EDGE_METRICS": f"127.0.0.1:{metrics_port}"}, tmp_path / "edge.log"),
    ):
        eventually(lambda: _status(reader, "mqtt") == "ok", within_s=20)
        done = _call(settings, "health")
        assert done.returncode == 0, done.stdout
        assert "mqtt" in done.stdout
        assert _status(reader, "relay") == "disabled"  # not enrolled: nothing goes out, and nothing is missing
        assert _status(reader, "self_check") == "disabled"
        eventually(lambda: _status(reader, "metrics") == "ok", within_s=20)
        figures = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10).text
        assert "wallport_edge_tunnel_up 0.0" in figures
        assert 'wallport_component_ok{component="mqtt"} 1.0' in figures
        broker.stop()
        eventually(lambda: _status(reader, "mqtt") == "failing", within_s=20)
        done = _call(settings, "health")
        assert done.returncode == 1
        assert "failing" in done.stdout
    own_redis.stop()
    assert _call(settings, "health").returncode == 1


def test_it_starts_with_nothing_there_and_heals(
    settings: dict[str, str],
    broker: servers.Broker,
    own_redis: servers.RedisServer,
    own_mariadb: servers.Mariadb,
    reader: redis.Redis,
    tmp_path: Path,
) -> None:
    """Redis, broker and database come later, one after the other; the same process takes up its work."""
    for server in (broker, own_redis, own_mariadb):
        server.stop()
    settings |= {"WALLPORT_DATABASE_URL": own_mariadb.url, "WALLPORT_SAMPLE_INTERVAL_S": "5"}
    with _running(settings, tmp_path / "edge.log") as process:
        eventually(lambda: "redis_lost" in (tmp_path / "edge.log").read_text(), within_s=20)
        own_redis.start()
        eventually(lambda: _status(reader, "mqtt") == "failing", within_s=20)
        assert _status(reader, "store") == "failing"
        broker.start()
        _publish(broker, "system/Timestamp", str(int(time.time())))
        _publish(broker, "evu/W", "7")
        eventually(lambda: _grid_power(reader) == 7, within_s=20)
        own_mariadb.start()
        eventually(lambda: _status(reader, "store") == "ok", within_s=30)
        eventually(lambda: 7 in _recorded_grid_powers(own_mariadb.url), within_s=30)
        assert process.poll() is None


def test_a_frozen_database_does_not_keep_it_from_ending(
    settings: dict[str, str], own_mariadb: servers.Mariadb, reader: redis.Redis, tmp_path: Path
) -> None:
    """The loop that waits for it is named in the log, and the process ends all the same, with exit code 1."""
    settings |= {"WALLPORT_DATABASE_URL": own_mariadb.url, "WALLPORT_SAMPLE_INTERVAL_S": "5"}
    log_file = tmp_path / "edge.log"
    with _running(settings, log_file) as process:
        eventually(lambda: _status(reader, "store") == "ok", within_s=20)
        os.kill(own_mariadb.process.pid, signal.SIGSTOP)
        try:
            known = _counter(reader, "recorder_samples")
            # With the second one the first one's delivery is surely under way.
            eventually(lambda: _counter(reader, "recorder_samples") > known + 1, within_s=20)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 1
        finally:
            os.kill(own_mariadb.process.pid, signal.SIGCONT)
    assert "loop=delivery" in next(line for line in log_file.read_text().splitlines() if "loop_did_not_stop" in line)


def test_a_killed_edge_goes_on_with_its_numbers(
    settings: dict[str, str], broker: servers.Broker, reader: redis.Redis, tmp_path: Path
) -> None:
    """kill -9 and a new start: the next change has the next number, and the broker's retained values are no change."""
    with _running(settings, tmp_path / "first.log") as process:
        _publish(broker, "evu/W", "1")
        eventually(lambda: _grid_power(reader) == 1)
        process.kill()
        process.wait(10)
    entries: Any = reader.xrange(keys.changes())
    with _running(settings, tmp_path / "second.log"):
        eventually(lambda: "broker_connected" in (tmp_path / "second.log").read_text(), within_s=20)
        _publish(broker, "evu/W", "2")
        eventually(lambda: _grid_power(reader) == 2)
        after: Any = reader.xrange(keys.changes())
    assert len(after) == len(entries) + 1
    assert int(after[-1][0].split(b"-")[0]) == int(entries[-1][0].split(b"-")[0]) + 1
