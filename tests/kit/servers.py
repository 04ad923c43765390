"""Private real servers for the tests: mosquitto, redis-server, mariadbd and nginx.

Each runs in a folder and on loopback ports of its own, answers when its context is entered, and is stopped when the
context ends. `stop()` and `start()` work on the same port, so that tests can play an outage. A missing program fails
the test and says how to install it; nothing is skipped.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pymysql
import redis

from tests.kit.certificates import ServerCertificate
from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess, accepts, is_root, program, run

HOST = "127.0.0.1"

MARIADB_PASSWORD = "p@ss-of-tests"
MARIADB_LOGIN = "wallport:p%40ss-of-tests"
"""As it stands in URLs: whoever forgets to decode it fails here."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `process` has its pid and log."""

    process: ServerProcess

    def stop(self) -> None:
        self.process.stop()

    def start(self) -> None:
        self.process.start()


@dataclass(frozen=True, slots=True)
class Broker(Server):
    """A mosquitto that keeps retained messages over `stop()` and `start()`. `url` has no credentials."""

    port: int
    host: str = HOST

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RedisServer(Server):
    """A redis-server that has forgotten everything after `stop()` and `start()`."""

    port: int
    host: str = HOST

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def flush(self) -> None:
        with redis.Redis(host=self.host, port=self.port) as client:
            client.flushall()


@dataclass(frozen=True, slots=True)
class Mariadb(Server):
    """A mariadbd that keeps its data over `stop()` and `start()`. `url` leads to a database that is empty at first."""

    port: int
    host: str = HOST
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def url(self) -> str:
        return self._url_of("wallport")

    def new_database(self) -> str:
        """The URL of another, empty database."""
        name = f"wallport_{next(self._numbers)}"
        with _mariadb_connection(self.port) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return self._url_of(name)

    def _url_of(self, database: str) -> str:
        return f"mysql://{MARIADB_LOGIN}@{self.host}:{self.port}/{database}"


@dataclass(frozen=True, slots=True)
class Nginx(Server):
    """An nginx that serves rendered templates; `access_log` is its default log, `error_log` everything from notice."""

    access_log: Path
    error_log: Path


@contextmanager
def mosquitto(
    folder: Path, credentials: tuple[str, str] | None = None, tls: ServerCertificate | None = None
) -> Iterator[Broker]:
    """A broker for anybody, or only for the user and password given; with a certificate it speaks TLS only."""
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port() as port:
        lines = [
            f"listener {port} {HOST}",
            f"allow_anonymous {'false' if credentials else 'true'}",
            "persistence true",
            f"persistence_location {folder}/",
            "log_type error",
            "log_type warning",
            *(["user root"] if is_root() else []),
        ]
        if tls is not None:
            lines += [f"certfile {tls.certificate}", f"keyfile {tls.key}"]
        if credentials is not None:
            password_file = folder / "passwords"
            password_file.touch(mode=0o600)
            run([program("mosquitto_passwd"), "-b", str(password_file), *credentials])
            lines.append(f"password_file {password_file}")
        configuration = folder / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n")
        command = [program("mosquitto"), "-c", str(configuration)]
        process = ServerProcess(command, folder / "mosquitto.log", lambda: accepts(port))
        with process.running():
            yield Broker(process, port)


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A redis-server that writes nothing to the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port() as port:
        command = [program("redis-server"), "--port", str(port), "--bind", HOST, "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        process = ServerProcess(command, folder / "redis.log", lambda: _redis_answers(port))
        with process.running():
            yield RedisServer(process, port)


def install_mariadb(folder: Path) -> Path:
    """A fresh data folder for `mariadb()` to copy; takes some seconds, so tests make it once."""
    command = [program("mariadb-install-db"), "--no-defaults", f"--datadir={folder}", "--skip-test-db"]
    command += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=4M"]
    command += [f"--tmpdir={folder.parent}"]  # two that install at the same time take each other's temporary tables
    command += ["--force"]  # also where the machine's own name does not resolve
    run([*command, *_mariadb_as_root()])
    return folder


@contextmanager
def mariadb(folder: Path, installed: Path, *, buffer_pool_mib: int = 16) -> Iterator[Mariadb]:
    """A mariadbd on a copy of the data folder `installed`, tuned to start fast and stay small."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    shutil.copytree(installed, data)
    init_file = folder / "init.sql"
    init_file.write_text(
        f"CREATE USER IF NOT EXISTS wallport@'{HOST}' IDENTIFIED BY '{MARIADB_PASSWORD}';\n"
        f"GRANT ALL ON *.* TO wallport@'{HOST}';\n"
        "CREATE DATABASE IF NOT EXISTS wallport;\n"
    )
    with reserved_port() as port:
        command = [program("mariadbd"), "--no-defaults", *_mariadb_as_root(), f"--datadir={data}", f"--tmpdir={folder}"]
        command += [f"--init-file={init_file}", f"--pid-file={folder / 'mariadbd.pid'}", "--skip-log-bin"]
        command += [f"--port={port}", f"--bind-address={HOST}", "--skip-name-resolve"]
        command += ["--socket=local.sock"]  # in the data folder: an absolute path may be too long for a socket
        command += ["--character-set-server=utf8mb4", "--performance-schema=off"]
        command += [f"--innodb-buffer-pool-size={buffer_pool_mib}M"]
        command += ["--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=2"]
        process = ServerProcess(command, folder / "mariadbd.log", lambda: _mariadb_answers(port))
        with process.running():
            yield Mariadb(process, port)


@contextmanager
def nginx(folder: Path, templates: Mapping[Path, Mapping[str, str]], ports: Sequence[int]) -> Iterator[Nginx]:
    """An nginx with these templates in its `http` block, each with its values for `${NAME}`; it listens on `ports`.

    The caller gets the ports from `reserved_port()` and puts them into the values.
    """
    configuration = nginx_configuration(folder, templates)
    error_log = folder / "error.log"
    command = [program("nginx"), "-c", str(configuration), "-e", str(error_log), "-p", str(folder)]
    process = ServerProcess(command, folder / "nginx.out", lambda: all(accepts(port) for port in ports))
    with process.running():
        yield Nginx(process, folder / "access.log", error_log)


def nginx_configuration(folder: Path, templates: Mapping[Path, Mapping[str, str]]) -> Path:
    """Write a complete configuration around the templates and have nginx check it; ServerFailed if it is bad.

    As in the nginx image only the names that are given are replaced, so nginx's own `$variables` stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    includes = []
    for template, values in templates.items():
        text = template.read_text()
        for name, value in values.items():
            text = text.replace(f"${{{name}}}", value)
        rendered = folder / f"rendered-{template.name}"
        rendered.write_text(text)
        includes.append(f"include {rendered};")
    temporary = [f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    lines = ["daemon off;", "worker_processes 1;", f"pid {folder}/nginx.pid;", f"error_log {folder}/error.log notice;"]
    lines += ["user root;"] if is_root() else []
    lines += ["events { worker_connections 512; }", "http {", f"access_log {folder}/access.log;"]
    configuration = folder / "nginx.conf"
    configuration.write_text("\n".join([*lines, *temporary, *includes, "}"]) + "\n")
    run([program("nginx"), "-t", "-q", "-c", str(configuration), "-e", str(folder / "error.log"), "-p", str(folder)])
    return configuration


def _mariadb_as_root() -> list[str]:
    return ["--user=root"] if is_root() else []


def _redis_answers(port: int) -> bool:
    try:
        with redis.Redis(host=HOST, port=port, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _mariadb_answers(port: int) -> bool:
    if not accepts(port):
        return False
    try:
        with _mariadb_connection(port):
            return True
    except pymysql.MySQLError:
        return False


def _mariadb_connection(port: int) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=HOST, port=port, user="wallport", password=MARIADB_PASSWORD, database="wallport", connect_timeout=2
    )
