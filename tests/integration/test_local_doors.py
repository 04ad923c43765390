"""Who else on the machine can get at what Wallport keeps there: Redis, as the systemd unit starts it and otherwise, and
the data folder. A stranger here is a real user without rights (needs root; without it, rights are looked at only)."""

import asyncio
import os
import shlex
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from api.adapters.redis_state import RedisState
from common import keys, redis_door
from common.clock import SystemClock
from common.errors import RedisUnavailable
from common.health import Health
from common.model import EdgeHealth
from common.private_folder import make_private
from edge.adapters.redis_mirror import RedisMirror
from edge.loops.heartbeat import HeartbeatLoop
from tests.kit.edge_mirror import in_threads
from tests.kit.process import ServerProcess, is_root, program
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "wallport-redis@.service"
OWNER, STRANGER = 65_533, 65_534

GIVE_A_COMMAND = """
import socket, sys
with socket.socket(socket.AF_UNIX) as stranger:
    stranger.settimeout(5)
    stranger.connect(sys.argv[1])
    stranger.sendall(b'XADD wallport:commands * d stop\\r\\n')
    print(stranger.recv(100).decode())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter; those of the tests are closed to others."""
    with tempfile.TemporaryDirectory(prefix="wallport-door-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def _redis(options: list[str], path: Path, user: int | None = None) -> Iterator[ServerProcess]:
    """A redis-server with a socket at `path`, below a folder for its log; as another user where one is named."""
    prefix = _as(user) if user is not None else []
    process = ServerProcess(
        [*prefix, program("redis-server"), *options], path.parent.parent / "redis.log", lambda: _accepts(path)
    )
    with process.running():
        yield process


def _as(user: int) -> list[str]:
    return [program("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _accepts(path: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        return True
    return False


def _options(path: Path, mode: str, *more: str) -> list[str]:
    return ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", mode, "--save", "", *more]


def _as_stranger(path: Path) -> str:
    """What came of it when somebody else on this machine gave the wallbox a command."""
    command = [*_as(STRANGER), str(Path(sys.executable).resolve()), "-I", "-S", "-c", GIVE_A_COMMAND, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd="/")
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_nobody_else_can_command_the_wallbox_by_the_redis_of_the_unit(folder: Path) -> None:
    """It is started as the unit says; edge and api reach it, and another user of the machine does not."""
    path = folder / "wallport-redis" / "redis.sock"
    path.parent.mkdir(mode=int(_unit("RuntimeDirectoryMode"), 8))
    assert _unit("RuntimeDirectory") == "%i-redis"
    command = shlex.split(_unit("ExecStart").replace("/run/%i-redis", str(path.parent)))
    assert command[0] == "/usr/bin/redis-server"
    options = command[1 : command.index("--supervised")]
    user = OWNER if is_root() else None
    if user is not None:
        os.chown(path.parent, user, user)
    with _redis(options, path, user) as process:
        url = f"unix://{path}"
        mirror = RedisMirror(url)
        mirror.write_health(EdgeHealth(at=1.0, components={}))
        assert mirror.read_health() is not None
        mirror.close()
        assert redis_door.openness(url) is None
        listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        assert f"pid={process.pid}," not in listening
        if is_root():
            assert "PermissionError" in _as_stranger(path)
            for open_to_all in (path.parent, path):  # and if both rights were wide open, this test would see it
                open_to_all.chmod(0o777)
            assert _as_stranger(path).startswith("$")
            assert redis_door.openness(url) == redis_door.OPEN


def test_the_api_reads_by_the_socket(folder: Path) -> None:
    path = folder / "redis" / "redis.sock"
    path.parent.mkdir(mode=0o700)
    with _redis(_options(path, "700"), path):
        with redis.Redis(unix_socket_path=str(path)) as client:
            client.hset(keys.mirror(), "topic", "text")

        async def topics() -> dict[str, str]:
            state = RedisState(f"unix://{path}")
            try:
                return await state.topics()
            finally:
                await state.close()

        assert asyncio.run(topics()) == {"topic": "text"}


@pytest.mark.parametrize(
    ("folder_mode", "socket_mode", "more", "is_open"),
    [
        (0o755, "777", (), True),
        (0o755, "770", (), False),
        (0o700, "777", (), False),
        (0o755, "777", ("--requirepass", "secret"), False),
    ],
)
def test_a_socket_is_open_by_its_rights(
    folder: Path, folder_mode: int, socket_mode: str, more: tuple[str, ...], is_open: bool
) -> None:
    path = folder / "redis" / "redis.sock"
    path.parent.mkdir()
    path.parent.chmod(folder_mode)
    with _redis(_options(path, socket_mode, *more), path):
        for url in (f"unix://{path}", f"unix://:secret@{path}?db=3"):
            assert (redis_door.openness(url) == redis_door.OPEN) is is_open


def test_a_port_is_open_by_what_a_stranger_may_do(own_redis: RedisServer) -> None:
    """A password in our own URL keeps nobody out; one that the server asks for does, and so do rights to read only."""
    url = own_redis.url
    assert redis_door.openness(url) == redis_door.OPEN
    with_login = url.replace("://", "://wallport:secret@")
    with redis.Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", "wallport", "on", ">secret", "~*", "+@all")
        assert redis_door.openness(with_login) == redis_door.OPEN
        client.execute_command("ACL", "SETUSER", "default", "-@all", "+@read", "+@connection")
        assert redis_door.openness(with_login) is None
    with redis.Redis.from_url(with_login) as client:
        client.execute_command("ACL", "SETUSER", "default", "+@all", "resetpass", ">another")
        assert redis_door.openness(with_login) is None
        assert client.keys() == []
    own_redis.stop()
    with pytest.raises(RedisUnavailable):
        redis_door.openness(with_login)


def test_the_edge_says_that_anybody_can_write(own_redis: RedisServer) -> None:
    """In its health, which the api's readyz repeats, and once in the log; and again, or no more, after an outage."""
    health, url = Health(SystemClock()), own_redis.url
    mirror = RedisMirror(url)
    is_open = [True]

    def openness() -> str | None:
        return redis_door.openness(url) if is_open[0] else None

    def said() -> str | None:
        found = mirror.read_health()
        part = found.components.get(redis_door.COMPONENT) if found is not None else None
        return part["detail"] if part is not None else "nothing"

    with capture_logs() as logged, in_threads(HeartbeatLoop(mirror, health, SystemClock(), openness).run):
        eventually(lambda: said() == redis_door.OPEN)
        assert health.is_ready()
        is_open[0] = False
        own_redis.stop()
        before = len(logged)
        eventually(lambda: any(entry["event"] == "heartbeat_missed" for entry in logged[before:]), 20)
        own_redis.start()
        eventually(lambda: said() is None, 20)
    assert [entry["event"] for entry in logged].count("redis_lets_anybody_write") == 1
    mirror.close()


@pytest.mark.parametrize(
    ("mode", "after"), [(0o777, 0o770), (0o755, 0o750), (0o750, 0o750), (0o700, 0o700), (0o1777, 0o1777)]
)
def test_a_data_folder_is_closed_to_others(folder: Path, mode: int, after: int) -> None:
    """The rights of a group stay, and a folder that everybody shares is left alone, with a word in the log."""
    data = folder / "data"
    data.mkdir()
    data.chmod(mode)
    with capture_logs() as logged:
        make_private(data)
    assert stat.S_IMODE(data.stat().st_mode) == after
    assert [entry["event"] for entry in logged] == (["data_dir_is_open_to_others"] if mode == 0o1777 else [])
    make_private(folder / "new" / "data")
    assert stat.S_IMODE((folder / "new" / "data").stat().st_mode) == 0o700


def _unit(name: str) -> str:
    return next(line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}="))
