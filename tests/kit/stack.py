"""All of Wallport as its owners run it: real processes, real servers, nginx with TLS on both sides."""

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.publish
from websockets.sync.client import ClientConnection, connect

from tests.kit import servers
from tests.kit.certificates import CertificateAuthority, ServerCertificate
from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess
from tests.kit.waiting import eventually
from tests.kit.wallbox import simulating

gently = partial(eventually, every_s=0.25)
"""`eventually` at a pace that nginx's limit of requests allows."""

REPOSITORY = Path(__file__).parents[2]
SITE = "home"
PASSWORD = "correct horse battery"
SAMPLE_INTERVAL_S = 5


@dataclass(slots=True)
class Stack:
    """One site and one relay. `processes` has edge, api and relay; `lan` and `public` are clients that trust the CA."""

    broker: servers.Broker
    redis: servers.RedisServer
    mariadb: servers.Mariadb
    processes: dict[str, ServerProcess]
    lan_url: str
    public_url: str
    tls: ssl.SSLContext
    environ: dict[str, dict[str, str]]
    _clients: list[httpx.Client] = field(default_factory=list)

    def client(self, base_url: str, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(base_url=base_url, verify=self.tls, headers=headers, timeout=10, trust_env=False)
        self._clients.append(client)
        return client

    @property
    def site_url(self) -> str:
        return f"{self.public_url}/s/{SITE}"

    def logged_in(self, base_url: str, name: str = "viewer") -> httpx.Client:
        """A client with a fresh access token of that user, who logged in by that way."""
        answer = self.client(base_url).post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return self.client(base_url, answer.json()["access_token"])

    def live(self, base_url: str, token: str, query: str = "") -> ClientConnection:
        """A live connection; the caller closes it.

        About one in 200 openings by this client over TLS never sends its request: nginx holds the connection and opens
        none to the relay, while without TLS 700 of 700 opened at once. So an opening that timed out is tried once more.
        """
        try:
            return self._live(base_url, token, query)
        except TimeoutError:
            return self._live(base_url, token, query)

    def _live(self, base_url: str, token: str, query: str) -> ClientConnection:
        return connect(
            f"{base_url.replace('https', 'wss')}/api/v1/live{query}",
            ssl=self.tls,
            additional_headers={"Authorization": f"Bearer {token}"},
            proxy=None,
            open_timeout=10,
            legacy=True,
        )

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()

    def publish(self, topic: str, payload: str | bytes) -> None:
        """As openWB would: retained."""
        paho.mqtt.publish.single(topic, payload, retain=True, hostname=self.broker.host, port=self.broker.port)

    def command(self, product: str, *arguments: str, text: str | None = None) -> str:
        """Run a verb of a product's command line to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", product, *arguments],
            env=self.environ[product],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            input=text,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def readiness(self) -> Any:
        return self.client(self.lan_url).get("/readyz").json()

    def is_ready(self) -> bool:
        """Whether the site is ready, and reachable through the relay."""
        try:
            lan = self.client(self.lan_url).get("/readyz")
            public = self.client(self.site_url).get("/api/v1/state")
        except httpx.TransportError:
            return False
        return lan.status_code == 200 and public.status_code == 401  # asked for a token, which the relay can check


@contextmanager
def running_stack(
    folder: Path,
    mariadb: servers.Mariadb,
    authority: CertificateAuthority,
    *,
    dialect: str | None = None,
    clock: str | None = None,
) -> Iterator[Stack]:
    """Start everything, with one user of each role, and enrol the site. Ready when the context is entered.

    The wallbox is the simulator, if it is said which `dialect` it speaks; else its topics stand in the broker and
    `publish` is its voice. `clock` is the `--clock` of simulator and site.
    """
    clock_options = ("--clock", clock) if clock else ()
    with ExitStack() as context:
        broker = context.enter_context(servers.mosquitto(folder / "broker"))
        redis = context.enter_context(servers.redis_server(folder / "redis"))
        api_port, relay_port, lan_port, public_port, http_port = (
            context.enter_context(reserved_port()) for _ in range(5)
        )
        public_url, lan_url = f"https://127.0.0.1:{public_port}", f"https://127.0.0.1:{lan_port}"
        for part in ("site", "relay"):
            (folder / part).mkdir(mode=0o700)
        environ = _environ(folder, authority, {
            "WALLPORT_SITE_NAME": SITE,
            "WALLPORT_REDIS_URL": redis.url,
            "WALLPORT_DATABASE_URL": mariadb.new_database(),
            "WALLPORT_EDGE_MQTT_URL": broker.url,
            "WALLPORT_EDGE_RELAY_CA_FILE": str(authority.certificate),
            "WALLPORT_SAMPLE_INTERVAL_S": str(SAMPLE_INTERVAL_S),
            "WALLPORT_API_PORT": str(api_port),
            "WALLPORT_API_TRUSTED_PROXIES": "127.0.0.1",
            "WALLPORT_RELAY_PORT": str(relay_port),
            "WALLPORT_RELAY_ORIGIN": public_url,
            "WALLPORT_RELAY_REDIS_URL": redis.url.replace("/0", "/1"),
            "WALLPORT_RELAY_TRUSTED_PROXIES": "127.0.0.1",
        })  # fmt: skip
        certificate = authority.issue("127.0.0.1", "localhost")
        templates = {
            REPOSITORY / "nginx/lan.conf": _nginx_values(certificate, lan_port, 0, api_port),
            REPOSITORY / "nginx/relay.conf": _nginx_values(certificate, public_port, http_port, relay_port),
        }
        context.enter_context(servers.nginx(folder / "nginx", templates, [lan_port, public_port]))
        processes = {
            "relay": _process("relay", environ, folder, f"http://127.0.0.1:{relay_port}/healthz"),
            "api": _process("api", environ, folder, f"http://127.0.0.1:{api_port}/healthz", *clock_options),
            "edge": _process("edge", environ, folder, None, *clock_options),
        }
        tls = ssl.create_default_context(cafile=authority.certificate)
        stack = Stack(broker, redis, mariadb, processes, lan_url, public_url, tls, environ)
        context.callback(stack.close_clients)
        for role in ("viewer", "driver", "admin"):
            password_file = folder / "password"
            password_file.write_text(PASSWORD)
            stack.command("api", "user", "add", role, "--role", role, "--password-file", str(password_file))
        stack.command("api", "user", "totp", "admin")  # without a second factor the relay is closed to admins
        for name, process in processes.items():
            if name == "edge":
                code = re.search(r"(?m)^\s*code:\s*(\S+)", stack.command("relay", "site", "add", SITE))
                assert code is not None
                stack.command("edge", "enroll", "--relay", public_url, "--code", code[1])
            context.enter_context(process.running())
        if dialect is None:
            for topic, payload in {**FIRST_TOPICS, "openWB/system/Timestamp": str(int(time.time()))}.items():
                stack.publish(topic, payload)
        else:
            options = ("--dialect", dialect, *clock_options)
            context.enter_context(simulating(broker.url, *options, log_file=folder / "simulator.log"))
        gently(stack.is_ready, 30, "the site being ready on the LAN and through the relay")
        viewer = stack.logged_in(lan_url)
        gently(lambda: viewer.get("/api/v1/state").status_code == 200, 30, "the first values")
        yield stack


FIRST_TOPICS = {
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


def _environ(folder: Path, authority: CertificateAuthority, settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Each product's environment: the shared settings and its own, a data folder, and little else."""
    shared = {"PATH": "/usr/bin:/bin", "WALLPORT_LOG_LEVEL": "info", "SSL_CERT_FILE": str(authority.certificate)}
    own = {"edge": "site", "api": "site", "relay": "relay"}
    return {
        product: {**shared, "WALLPORT_DATA_DIR": str(folder / data)}
        | {name: value for name, value in settings.items() if _is_for(product, name)}
        for product, data in own.items()
    }


def _is_for(product: str, setting: str) -> bool:
    prefixes = {"edge": "WALLPORT_EDGE_", "api": "WALLPORT_API_", "relay": "WALLPORT_RELAY_"}
    if any(setting.startswith(prefix) for prefix in prefixes.values()):
        return setting.startswith(prefixes[product])
    return product != "relay"


def _process(
    product: str, environ: Mapping[str, Mapping[str, str]], folder: Path, url: str | None, *options: str
) -> ServerProcess:
    settings = [f"{name}={value}" for name, value in environ[product].items()]
    command = ["env", "-i", *settings, sys.executable, "-m", product, "run", *options]
    return ServerProcess(command, folder / f"{product}.log", lambda: url is None or _answers(url))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _nginx_values(certificate: ServerCertificate, https: int, http: int, upstream: int) -> dict[str, str]:
    return {
        "WALLPORT_NGINX_HTTPS": f"127.0.0.1:{https}",
        "WALLPORT_NGINX_HTTP": f"127.0.0.1:{http}",
        "WALLPORT_NGINX_NAME": "localhost",
        "WALLPORT_NGINX_UPSTREAM": f"127.0.0.1:{upstream}",
        "WALLPORT_NGINX_CERTIFICATE": str(certificate.certificate),
        "WALLPORT_NGINX_KEY": str(certificate.key),
        "WALLPORT_NGINX_ACCESS_LOG": "/dev/null",
        "WALLPORT_NGINX_ACME_ROOT": "/nonexistent",
    }
