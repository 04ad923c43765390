"""The api as a process: its command line, its two sockets, its bad days."""

import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.store import audit, users
from common.store.bind import open_store
from common.store.rows_people import AuditFilter
from tests.kit.api_client import PASSWORD, api_environment, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.ports import reserved_port
from tests.kit.servers import Mariadb
from tests.kit.states import SITE
from tests.kit.waiting import eventually


@pytest.fixture
def environ(tmp_path: Path, redis_url: str, sqlite_url: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}
    return {**inherited, **api_environment(tmp_path, redis_url, sqlite_url)}


def wallport_api(environ: dict[str, str], *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api", *arguments]
    return subprocess.run(command, env=environ, input=text, capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def running(environ: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The process, once it answers on both listeners; killed at the end if it still runs."""
    relay_socket = str(Path(environ["WALLPORT_DATA_DIR"]) / "api.sock")
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "api", "run"], env=environ, stdout=output, stderr=output)
    try:
        eventually(lambda: _is_alive(relay_socket) or process.poll() is not None, 20, "the api answering")
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def _is_alive(relay_socket: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(relay_socket)
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: site\r\nconnection: close\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")
        except (FileNotFoundError, ConnectionRefusedError):
            return False


def test_sigterm_ends_it_in_order(environ: dict[str, str], tmp_path: Path) -> None:
    """Exit code 0, and the socket's file is gone; while it ran, only user and group could reach it."""
    with running(environ, tmp_path / "log") as process:
        path = tmp_path / "data" / "api.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not path.exists()
    assert "api_stopping" in (tmp_path / "log").read_text()


def test_a_killed_process_does_not_stand_in_the_way(environ: dict[str, str], tmp_path: Path) -> None:
    """The socket that it left behind is replaced."""
    with running(environ, tmp_path / "log") as process:
        process.kill()
        process.wait()
    assert (tmp_path / "data" / "api.sock").exists()
    with running(environ, tmp_path / "log"):
        pass


def test_a_second_process_does_not_take_the_socket_of_the_first(environ: dict[str, str], tmp_path: Path) -> None:
    """It ends with a clear message, and the first still answers."""
    with running(environ, tmp_path / "log"):
        second = wallport_api(environ, "run")
        assert second.returncode == 1
        assert "cannot listen on" in second.stderr
        assert _is_alive(str(tmp_path / "data" / "api.sock"))


def test_a_port_that_is_taken_is_named(environ: dict[str, str]) -> None:
    """One line, no traceback."""
    with reserved_port() as port, socket.create_server(("127.0.0.1", port)):
        taken = wallport_api({**environ, "WALLPORT_API_PORT": str(port)}, "run")
    assert taken.returncode == 1
    assert f"port {port}" in taken.stderr
    assert "Traceback" not in taken.stderr


def test_bad_settings_are_named_all_at_once(environ: dict[str, str]) -> None:
    """Exit code 2 for `run` and `check-config`, and never the values."""
    bad = {**environ, "WALLPORT_API_PORT": "hunter2", "WALLPORT_API_TRUSTED_PROXIES": "x", "WALLPORT_API_BOGUS": "1"}
    del bad["WALLPORT_DATABASE_URL"]
    for verb in ("run", "check-config"):
        refused = wallport_api(bad, verb)
        assert refused.returncode == 2
        for name in ("API_PORT", "API_TRUSTED_PROXIES", "API_BOGUS", "DATABASE_URL"):
            assert f"WALLPORT_{name}" in refused.stderr
        assert "hunter2" not in refused.stderr
    assert wallport_api(environ, "check-config").returncode == 0


def test_users_are_managed_without_a_secret_as_an_argument(environ: dict[str, str], tmp_path: Path) -> None:
    """Setup link, add, list, change, disable, enable; the password comes from a file and is never printed.

    There is no setup link once there is a user, and the last admin stays.
    """
    link = wallport_api(environ | {"WALLPORT_API_LAN_URL": "https://wallbox.lan/"}, "setup-link")
    assert re.fullmatch(r"https://wallbox\.lan/setup#wps_[\w-]{43}\n", link.stdout), link.stderr
    assert "WALLPORT_API_LAN_URL" not in link.stderr
    guessed = wallport_api(environ | {"WALLPORT_API_TRUSTED_PROXIES": "127.0.0.1"}, "setup-link")
    assert re.fullmatch(r"https://([\d.]+|ADDRESS-OF-THIS-MACHINE)/setup#wps_[\w-]{43}\n", guessed.stdout)
    assert "127.0.0.1" not in guessed.stdout
    assert "a guess" in guessed.stderr
    bare = wallport_api(environ, "setup-link")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/setup#wps_[\w-]{43}\n", bare.stdout), bare.stderr
    secret_file = tmp_path / "password"
    secret_file.write_text(f"{PASSWORD}\n")
    added = wallport_api(environ, "user", "add", "Anna", "--role", "admin", "--password-file", str(secret_file))
    assert added.returncode == 0, added.stderr
    from_stdin = wallport_api(environ, "user", "set-password", "anna", "--password-file", "-", text=f"{PASSWORD}2\n")
    assert from_stdin.returncode == 0, from_stdin.stderr
    shown = wallport_api(environ, "user", "totp", "anna").stdout
    assert "otpauth://totp/" in shown
    assert "last admin" in wallport_api(environ, "user", "disable", "ANNA").stderr
    assert "users already" in wallport_api(environ, "setup-link").stderr
    store = open_store(environ["WALLPORT_DATABASE_URL"])
    users.add(store, name="Bert", password_hash="h", role="admin", created_at=1)
    assert wallport_api(environ, "user", "disable", "ANNA").returncode == 0
    assert "Anna\tadmin, disabled, totp\n" in wallport_api(environ, "user", "list").stdout
    assert wallport_api(environ, "user", "reset-totp", "anna").returncode == 0
    anna = users.get(store, "Anna")
    assert anna is not None
    assert anna.totp_secret is None
    noted = [row.action for row in audit.find(store, AuditFilter(), 10) if row.origin == "box"]
    assert noted == ["totp_reset", "user_change", "totp_confirm", "password_change", "user_add", *["setup_link"] * 3]
    store.close()
    assert PASSWORD not in added.stdout + added.stderr + from_stdin.stdout + from_stdin.stderr


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        (["user", "add", "x", "--role", "viewer", "--password-file", "-"], "short", "password must have"),
        (["user", "add", "x\x07", "--role", "viewer", "--password-file", "-"], PASSWORD, "name must have"),
        (["user", "add", "x", "--role", "viewer", "--password-file", "/nope"], "", "cannot be read"),
        (["user", "set-password", "nobody", "--password-file", "-"], PASSWORD, "no user"),
        (["user", "disable", "nobody"], "", "no user"),
        (["user", "totp", "nobody"], "", "no user"),
    ],
)
def test_what_goes_wrong_with_users_is_one_clear_line(
    environ: dict[str, str], arguments: list[str], text: str, words: str
) -> None:
    """Exit code 1."""
    refused = wallport_api(environ, *arguments, text=text)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_prompt_hides_the_password(environ: dict[str, str]) -> None:
    """Typed twice on a terminal, never echoed."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "api", "user", "add", "bob", "--role", "driver"]
    with subprocess.Popen(command, env=environ, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        seen = b""
        # Each prompt's last blank comes when the echo is off; what is typed before that is thrown away.
        for prompt in (b"Password: ", b"Repeat for confirmation: "):
            while prompt not in seen:
                seen += os.read(controller, 1024)
            os.write(controller, f"{PASSWORD}\n".encode())
        while b"added bob" not in seen:
            seen += os.read(controller, 1024)
        assert process.wait(20) == 0
    os.close(controller)
    assert PASSWORD.encode() not in seen


def test_the_database_may_come_later(tmp_path: Path, redis_url: str, own_mariadb: Mariadb) -> None:
    """Down: what needs it is 503, the rest answers, readiness names it; up again: it works by itself."""
    url = own_mariadb.new_database()
    edge = EdgeDouble(redis_url)
    edge.tell(SITE)
    edge.beat({"mqtt": {"status": "ok", "since": 0.0}, "relay": {"status": "disabled", "since": 0.0, "detail": "x"}})
    with running_api(tmp_path, redis_url, url) as api:
        headers = api.login("viewer")
        assert api.lan.get("/readyz").json()["status"] == "ok"
        own_mariadb.stop()
        assert api.lan.get("/api/v1/state", headers=headers).status_code == 200
        down = api.lan.get("/api/v1/history", headers=headers)
        assert (down.status_code, down.json()["code"]) == (503, "store_unavailable")
        not_ready = eventually(lambda: _not_ready(api.lan), 10, "readiness noticing")
        assert not_ready["components"]["database"]["status"] == "failing"
        assert not_ready["components"]["edge.relay"]["status"] == "disabled"
        own_mariadb.start()
        eventually(lambda: api.lan.get("/api/v1/history", headers=headers).status_code == 200, 20, "history")
        eventually(lambda: api.lan.get("/readyz").status_code == 200, 10, "readiness recovering")
    edge.close()


def test_readiness_names_what_fails_at_the_edge(tmp_path: Path, redis_url: str, sqlite_url: str) -> None:
    """Its heartbeat, and each of its parts by name."""
    edge = EdgeDouble(redis_url)
    edge.beat({"mqtt": {"status": "failing", "since": 0.0, "detail": "no route"}})
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        body = api.lan.get("/readyz").json()
        assert body["code"] == "not_ready"
        assert body["components"]["edge.mqtt"] == {"status": "failing", "detail": "no route"}
        assert body["detail"] == "not working: edge.mqtt"
        edge.fall_silent()
        eventually(lambda: _not_ready(api.lan)["detail"] == "not working: edge", 10, "the edge being named")
    edge.close()


def _not_ready(client: httpx.Client) -> dict[str, Any]:
    """The problem; empty when it is ready."""
    answer = client.get("/readyz")
    body: dict[str, Any] = answer.json()
    return body if answer.status_code == 503 else {}
