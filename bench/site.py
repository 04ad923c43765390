"""One site with its relay for the benches: mosquitto, redis-server and the real processes, without nginx and TLS.

The api is bench/api.py: the real one with one route more, for a body that is large enough to measure with.
"""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt import publish as paho_publish

from tests.kit import servers
from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess, accepts
from tests.kit.waiting import eventually

REPOSITORY = Path(__file__).parents[1]
NAME = "home"
PASSWORD = "correct horse battery"
TOPICS = {
    "openWB/system/Version": "1.9.304.0",
    "openWB/evu/W": "-3120",
    "openWB/pv/W": "-5400",
    "openWB/global/ChargeMode": "2",
    "openWB/global/WHouseConsumption": "412",
    "openWB/housebattery/boolHouseBatteryConfigured": "0",
    "openWB/lp/1/boolChargePointConfigured": "1",
    "openWB/lp/1/strChargePointName": "Carport Süd",
    "openWB/lp/1/W": "11040",
    "openWB/lp/1/kWhCounter": "2310.482",
    "openWB/lp/1/boolPlugStat": "1",
}


@dataclass(frozen=True, slots=True)
class Site:
    """A site that answers on both ways. `processes` are relay, api and edge; `token` lasts 15 minutes."""

    lan_url: str
    relay_site_url: str
    api_port: int
    broker: servers.Broker
    processes: dict[str, ServerProcess]
    token: str


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Start everything; ready when the context is entered."""
    with ExitStack() as context:
        broker = context.enter_context(servers.mosquitto(folder / "broker"))
        redis = context.enter_context(servers.redis_server(folder / "redis"))
        api_port, relay_port = (context.enter_context(reserved_port()) for _ in range(2))
        relay_url, lan_url = f"http://127.0.0.1:{relay_port}", f"http://127.0.0.1:{api_port}"
        relay_site_url = f"{relay_url}/s/{NAME}"
        for part in ("site", "relay"):
            (folder / part).mkdir(mode=0o700)
        site = {
            "WALLPORT_SITE_NAME": NAME,
            "WALLPORT_DATA_DIR": str(folder / "site"),
            "WALLPORT_REDIS_URL": redis.url,
            "WALLPORT_DATABASE_URL": f"sqlite://{folder / 'site' / 'wallport.sqlite'}",
        }
        environ = {
            "edge": site | {"WALLPORT_EDGE_MQTT_URL": broker.url},
            "api": site | {"WALLPORT_API_PORT": str(api_port)},
            "relay": {
                "WALLPORT_DATA_DIR": str(folder / "relay"),
                "WALLPORT_RELAY_REDIS_URL": redis.url.replace("/0", "/1"),
                "WALLPORT_RELAY_PORT": str(relay_port),
                "WALLPORT_RELAY_ORIGIN": relay_url,
                "WALLPORT_RELAY_SITE_BYTES_PER_S": str(100 << 30),  # what is measured is the tunnel, not this limit
            },
        }
        processes = {
            "relay": _process("relay", environ["relay"], folder, relay_port),
            "api": _process("bench.api", environ["api"], folder, api_port),
            "edge": _process("edge", environ["edge"], folder, None),
        }
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        user = ["user", "add", "viewer", "--role", "viewer", "--password-file", str(password_file)]
        _command("api", user, environ["api"])
        for name, process in processes.items():
            if name == "edge":
                code = re.search(r"(?m)^\s*code:\s*(\S+)", _command("relay", ["site", "add", NAME], environ["relay"]))
                if code is None:
                    raise RuntimeError("no enrolment code")
                _command("edge", ["enroll", "--relay", relay_url, "--code", code[1]], environ["edge"])
            context.enter_context(process.running())
        _retain(broker)
        token = eventually(lambda: _login(lan_url), 30, "a login")
        for url in (lan_url, relay_site_url):
            eventually(lambda url=url: _answers(f"{url}/api/v1/state", token), 30, f"values at {url}")  # type: ignore[misc]
        yield Site(lan_url, relay_site_url, api_port, broker, processes, token)


def _retain(broker: servers.Broker) -> None:
    """Publish TOPICS as a wallbox would."""
    messages: list[Any] = [{"topic": topic, "payload": payload, "retain": True} for topic, payload in TOPICS.items()]
    paho_publish.multiple(messages, hostname=broker.host, port=broker.port)


def _process(module: str, environ: dict[str, str], folder: Path, port: int | None) -> ServerProcess:
    command = [*_environ(environ), sys.executable, "-m", module, "run"]
    return ServerProcess(command, folder / f"{module}.log", lambda: port is None or accepts(port))


def _command(product: str, arguments: list[str], environ: dict[str, str]) -> str:
    """Run a verb of a product's command line to its end; what it printed."""
    command = [*_environ(environ), sys.executable, "-m", product, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def _environ(settings: dict[str, str]) -> list[str]:
    """A command's beginning that leaves it with these settings and little else."""
    return [
        "env",
        "-i",
        "-C",
        str(REPOSITORY),
        "PATH=/usr/bin:/bin",
        *[f"{key}={value}" for key, value in settings.items()],
    ]


def _login(url: str) -> str:
    body = json.dumps({"username": "viewer", "password": PASSWORD}).encode()
    request = urllib.request.Request(f"{url}/api/v1/auth/login", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["access_token"])


def _answers(url: str, token: str) -> bool:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
