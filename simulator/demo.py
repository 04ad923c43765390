"""What `wallport-demo` runs: broker, simulator, Redis, database, edge, api and relay on one machine, enrolled.

It uses the products as their owners do, by their command lines and settings. Everything is written below one folder
and every process ends with the demo. The ready file's shape is in docs/demo.md.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.clock import SimulatedClock
from common.errors import AppError, FieldError
from simulator import embedded, loopback
from simulator.processes import Children
from simulator.ready import welcome, write_private, write_ready_file

PORTS_NEEDED = 6  # api, relay, broker, redis, mariadb, the wallbox's web server
READY_WITHIN_S = 90.0  # measured: 5 to 8 s on two idle cores; a Raspberry Pi takes several times as long
SITE = "home"
USERS = {"admin": "admin", "driver": "driver", "viewer": "viewer"}
CARD = {"tag": "04A3B2C1", "label": "demo card"}
CARD_PROFILE = {"name": "charge at once", "tag": CARD["tag"], "mode": "instant", "current_a": 16}
BROKER_WITHIN_S = 20.0  # several tries, and a slow look-up of its name
TOKEN_RENEWED_EVERY_S = 600.0  # access tokens live 15 minutes
PAST_WITHIN_S = 60.0  # for each day; measured: 1 to 2 s on two idle cores
FAST_START_BEFORE_S = 86_400  # with --speed, time starts a day ago
MARKER = "made-by-wallport-demo"


class DemoNotReady(AppError):
    """Not everything answered in time."""

    code = "demo_not_ready"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    dialect: str
    seed: int
    history_days: int
    speed: float
    openwb_url: str | None
    use_real_servers: bool
    port_base: int | None
    folder: Path
    ready_file: Path | None


@dataclass(slots=True)
class Demo:
    """One running demo."""

    options: DemoOptions
    say: Callable[[str], None]
    stop: threading.Event
    lock: int = field(init=False)  # held until the process ends
    run_folder: Path = field(init=False)
    children: Children = field(init=False)
    ports: range = field(init=False)
    users: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # of viewer, by the URL at which it logged in

    def __post_init__(self) -> None:
        self.lock = _lock(self.options.folder)
        self.run_folder = _fresh_folder(self.options.folder / "run")
        self.children = Children(self.run_folder / "logs", self.say)
        self.ports = loopback.free_ports(PORTS_NEEDED, self.options.port_base)

    @property
    def lan_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def relay_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def token_header(self) -> Path:
        return self.run_folder / "viewer.header"

    @property
    def past_state(self) -> Path:
        return self.run_folder / "past.state"

    @property
    def relay_site_url(self) -> str:
        return f"{self.relay_url}/s/{SITE}"

    def start(self) -> dict[str, Any]:
        """Start everything; the ready file's content once all of it answers."""
        options, folder, ports = self.options, self.run_folder, self.ports
        servers = embedded.Servers(folder, options.folder / "broker-venv", self.say)
        if options.openwb_url is None:
            mqtt_url = f"mqtt://127.0.0.1:{ports[2]}"
            self._start("broker", servers.broker_command(ports[2], real=options.use_real_servers))
            self._wait_for_port("broker", ports[2])
        else:
            mqtt_url = options.openwb_url
        self._start("redis", servers.redis_command(ports[3], real=options.use_real_servers))
        self._wait_for_port("redis", ports[3])
        database_url = f"sqlite:///{folder / 'site' / 'wallport.sqlite'}"
        if options.use_real_servers:
            self.say("Preparing MariaDB …")
            self._start("mariadb", servers.mariadb_command(ports[4]))
            self._wait_for_port("mariadb", ports[4])
            database_url = servers.make_mariadb_database(ports[4])

        redis_url = f"redis://127.0.0.1:{ports[3]}"
        site = {
            "WALLPORT_SITE_NAME": SITE,
            "WALLPORT_DATA_DIR": str(folder / "site"),
            "WALLPORT_REDIS_URL": f"{redis_url}/0",
            "WALLPORT_DATABASE_URL": database_url,
            "WALLPORT_EDGE_MQTT_URL": mqtt_url,
            "WALLPORT_API_PORT": str(ports[0]),
            "WALLPORT_API_LAN_URL": self.lan_url,
            "WALLPORT_API_RELAY_URL": self.relay_site_url,
        }
        if options.openwb_url is None:
            site["WALLPORT_EDGE_OPENWB_URL"] = f"http://127.0.0.1:{ports[5]}"
        relay = {
            "WALLPORT_DATA_DIR": str(folder / "relay"),
            "WALLPORT_RELAY_REDIS_URL": f"{redis_url}/1",
            "WALLPORT_RELAY_PORT": str(ports[1]),
            "WALLPORT_RELAY_ORIGIN": self.relay_url,
        }
        if options.openwb_url is None and options.history_days:
            self._record_past(site)
        clock = self._clock_arguments()
        if options.openwb_url is None:
            self.say(f"Starting a simulated openWB {options.dialect} …")
            arguments = ["--mqtt", mqtt_url, "--dialect", options.dialect, "--seed", str(options.seed), *clock]
            if options.history_days:
                arguments += ["--state", str(self.past_state)]
            arguments += ["--http-port", str(ports[5])]
            self._start("simulator", [sys.executable, "-m", "simulator.app", *arguments])
        self.say("Starting relay, api and edge …")
        self._start("relay", [sys.executable, "-m", "relay", "run"], relay)
        for name, role in USERS.items():
            self._add_user(name, role, site)
        self._start("api", [sys.executable, "-m", "api", "run", *clock], site)
        self._wait_for_http("the relay", f"{self.relay_url}/healthz")
        self._enrol(site, relay)
        self._start("edge", [sys.executable, "-m", "edge", "run", *clock], site)
        self._wait_until_values_arrive()
        if options.openwb_url is not None:
            self._wait_for_broker(options.openwb_url)
        if options.openwb_url is None:
            self._add_card()
        return {
            "lan_url": self.lan_url,
            "relay_url": self.relay_url,
            "relay_site_url": self.relay_site_url,
            "site": SITE,
            "mqtt_url": mqtt_url,
            "users": self.users,
            "pids": self.children.pids(),
        }

    def watch(self, ready: dict[str, Any]) -> None:
        """Restart what dies, keep the ready file's pids true, until `stop` is set."""
        renew_token_at = time.monotonic() + TOKEN_RENEWED_EVERY_S
        while not self.stop.wait(0.5):
            if self.children.restart_dead():
                ready["pids"] = self.children.pids()
                write_ready_file(self.options.ready_file, ready)
            if time.monotonic() >= renew_token_at:
                renew_token_at = time.monotonic() + TOKEN_RENEWED_EVERY_S
                self.write_token_header()

    def write_token_header(self) -> None:
        """Put a fresh access token where the printed commands read it; left as it is while the api is away."""
        login = self._login(self.lan_url)
        if login:
            write_private(self.token_header, f"Authorization: Bearer {login['access_token']}\n")

    def _login(self, url: str, name: str = "viewer") -> dict[str, Any] | None:
        body = json.dumps({"username": name, "password": self.users[name]["password"]}).encode()
        return loopback.http_json(f"{url}/api/v1/auth/login", body)

    def _start(self, name: str, command: list[str], environ: dict[str, str] | None = None) -> None:
        self.children.start(name, command, {**_clean_environ(), **(environ or {})})

    def _record_past(self, site: dict[str, str]) -> None:
        """Let the simulated site have lived for some days before it goes live."""
        options = self.options
        days = f"{options.history_days} day{'s' if options.history_days > 1 else ''}"
        self.say(f"Recording {days} of a simulated openWB {options.dialect} …")
        self._run(
            "the past could not be recorded",
            [
                *("-m", "simulator.history", "--state", str(self.past_state)),
                *("--until", f"{self._starts_at():.3f}", "--days", str(options.history_days)),
                *("--dialect", options.dialect, "--seed", str(options.seed)),
            ],
            site,
            PAST_WITHIN_S * options.history_days,
        )

    def _starts_at(self) -> float:
        """When the live simulation begins, on its own clock."""
        return time.time() - (FAST_START_BEFORE_S if self.options.speed > 1 else 0.0)

    def _clock_arguments(self) -> list[str]:
        if self.options.speed == 1:
            return []
        return ["--clock", SimulatedClock(self._starts_at(), time.time(), self.options.speed).spec()]

    def _add_user(self, name: str, role: str, environ: dict[str, str]) -> None:
        password = secrets.token_urlsafe(12)
        password_file = self.run_folder / "password"
        write_private(password_file, password)
        self._command("api", ["user", "add", name, "--role", role, "--password-file", str(password_file)], environ)
        password_file.unlink()
        self.users[name] = {"password": password}
        if role == "admin":
            answer = self._command("api", ["user", "totp", name], environ)
            self.users[name]["totp_secret"] = _found(r"secret=([A-Z2-7]+)", answer, "TOTP secret")

    def _enrol(self, site: dict[str, str], relay: dict[str, str]) -> None:
        answer = self._command("relay", ["site", "add", SITE], relay)
        code = _found(r"(?m)^\s*code:\s*(\S+)\s*$", answer, "enrolment code")
        self._command("edge", ["enroll", "--relay", self.relay_url, "--code", code], site)

    def _command(self, product: str, arguments: list[str], environ: dict[str, str]) -> str:
        """Run one of the products' verbs to its end; its output."""
        return self._run(f"wallport-{product} {arguments[0]} failed", ["-m", product, *arguments], environ)

    def _run(self, fault: str, arguments: list[str], environ: dict[str, str], within_s: float = 60.0) -> str:
        """Run Python to its end; what it printed. `fault` is what went wrong if it fails.

        Raises KeyboardInterrupt when the demo is told to stop meanwhile, DemoNotReady when it fails or takes too long.
        """
        process = subprocess.Popen(  # noqa: S603 - our own commands
            [sys.executable, *arguments],
            env={**_clean_environ(), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + within_s
        printed = errors = None
        while printed is None or errors is None:
            try:
                printed, errors = process.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                if self.stop.is_set() or time.monotonic() > deadline:
                    process.kill()
        if self.stop.is_set():
            raise KeyboardInterrupt
        if process.returncode != 0:
            raise DemoNotReady(fault, detail=errors.strip() or f"it did not end within {within_s:.0f} s")
        return printed

    def _add_card(self) -> None:
        """A card of the driver, and what it does, so that there is something to scan (docs/demo.md)."""
        login = self._login(self.lan_url, "driver")
        if login is None:
            raise DemoNotReady("the driver could not log in")
        # openWB 1.9 has one reader, and does not say for which charge point a card is meant.
        profile = CARD_PROFILE | {"charge_point": "1" if self.options.dialect == "1.9" else "3"}
        for path, body in (("users/driver/tags", CARD), ("profiles", profile)):
            answer = loopback.http_json(
                f"{self.lan_url}/api/v1/{path}", json.dumps(body).encode(), login["access_token"]
            )
            if answer is None:
                raise DemoNotReady(f"the api did not take the demo's card: {path}")

    def _wait_until_values_arrive(self) -> None:
        """Log in on both sides until each shows live values."""
        self.say("Waiting for the first values, on the LAN and through the relay …")
        self._wait("the api", lambda: self._has_values(self.lan_url))
        self._wait("the api through the relay", lambda: self._has_values(self.relay_site_url))

    def _wait_for_broker(self, url: str) -> None:
        """Until the edge hears the owner's broker. The wallbox behind it may be off; who tries this out sees that."""
        self.say("Waiting for the wallbox's broker …")
        deadline = time.monotonic() + BROKER_WITHIN_S
        while (told := loopback.components(self.lan_url).get("edge.mqtt", {})).get("status") != "ok":
            self.children.fail_if_any_died()
            if time.monotonic() > deadline:
                host = urlsplit(url).hostname  # without the password, which may stand in the URL
                raise DemoNotReady(f"--openwb {host}: {told.get('detail') or 'the edge says nothing of it'}")
            if self.stop.wait(0.5):
                raise KeyboardInterrupt

    def _has_values(self, url: str) -> bool:
        if url not in self.tokens:
            if (login := self._login(url)) is None:
                return False
            self.tokens[url] = login["access_token"]
        if self.options.openwb_url is not None:  # an owner's own wallbox may be off: that the site answers is enough
            return loopback.http_json(f"{url}/api/v1/me", token=self.tokens[url]) is not None
        state = loopback.http_json(f"{url}/api/v1/state", token=self.tokens[url])
        # The heartbeat may come before the values.
        return state is not None and not state["is_stale"] and bool(state["grid"] and state["charge_points"])

    def _wait_for_http(self, name: str, url: str) -> None:
        self._wait(name, lambda: loopback.http_json(url) is not None)

    def _wait_for_port(self, name: str, port: int) -> None:
        self._wait(name, lambda: loopback.is_answering(port))

    def _wait(self, name: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not condition():
            self.children.fail_if_any_died()
            if time.monotonic() > deadline:
                logs = self.run_folder / "logs"
                raise DemoNotReady(f"{name} did not answer within {READY_WITHIN_S:.0f} s; the logs are in {logs}")
            if self.stop.wait(0.1):
                raise KeyboardInterrupt


def run_demo(options: DemoOptions) -> int:
    """Run the demo until SIGINT, SIGTERM or SIGHUP; the exit code."""
    stop = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda _number, _frame: stop.set())
    _check(options)

    began = time.monotonic()
    demo = Demo(options, _say, stop)
    try:
        ready = demo.start()
        demo.write_token_header()
        _say(f"Ready after {time.monotonic() - began:.0f} s.")
        print(welcome(ready, demo.token_header), flush=True)  # noqa: T201 - what the demo is for
        write_ready_file(options.ready_file, ready)  # last: whoever waited for it finds the printed commands working
        demo.watch(ready)
    except KeyboardInterrupt:
        pass
    finally:
        _say("Stopping …")
        demo.children.stop_all()
        if options.ready_file is not None:
            options.ready_file.unlink(missing_ok=True)
    _say("Everything has ended.")
    return 0


def _check(options: DemoOptions) -> None:
    """Name what is wrong before anything is made, not minutes later. Raises FieldError."""
    if options.openwb_url is not None and not re.match(r"mqtts?://[^/?#]", options.openwb_url):
        raise FieldError("--openwb must be a URL like mqtt://HOST", {"openwb": "must be a URL like mqtt://HOST"})
    if options.ready_file is not None and not options.ready_file.parent.is_dir():
        fault = f"{options.ready_file.parent} is not a folder"
        raise FieldError(f"bad --ready-file: {fault}", {"ready_file": fault})


def _say(text: str) -> None:
    print(f"▸ {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress is for people


def _found(pattern: str, text: str, what: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise DemoNotReady(f"a command printed no {what}")
    return match[1]


def _clean_environ() -> dict[str, str]:
    """The environment without Wallport's own settings: the demo is not to touch an owner's installation."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}


def _lock(folder: Path) -> int:
    """Make the folder, and keep a second demo out of it. The kernel drops the lock with this process, however it ends.

    Children do not inherit the descriptor, so one that was left over does not hold it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FieldError(f"bad --folder: {error}", {"folder": str(error)}) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        fault = f"a demo is running in {folder}; end it, or name another --folder"
        raise FieldError(fault, {"folder": fault}) from error
    return lock


def _fresh_folder(folder: Path) -> Path:
    """An empty folder; what an earlier demo left there is removed, anybody else's folder is refused."""
    if folder.exists():
        if not (folder / MARKER).exists():
            fault = f"{folder} exists and was not made by wallport-demo"
            raise FieldError(f"bad --folder: {fault}", {"folder": fault})
        shutil.rmtree(folder)
    for part in ("logs", "site", "relay"):
        (folder / part).mkdir(parents=True, mode=0o700)
    (folder / MARKER).touch()
    return folder
