"""The relay's settings, all from the environment; docs/settings.md lists them.

`origin` is what browsers and edges call this relay. Edges sign it into their proof, so that a proof made for one
relay is worth nothing at another; behind a proxy it must be set.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from common.origins import origin_of
from common.settings import Reader
from common.tunnel.limits import Limits
from relay.door import Network
from relay.limits import RelayLimits

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`database_url` and `redis_url` may hold credentials: never log them."""

    host: str
    port: int
    origin: str
    database_url: str
    redis_url: str
    trusted_proxies: tuple[Network, ...]
    cors_origins: frozenset[str]
    data_dir: Path
    metrics: tuple[str, int] | None
    limits: RelayLimits
    log_level: str
    log_form: str


def read(environ: Mapping[str, str]) -> Settings:
    """Raises SettingsError with all faults at once."""
    reader = Reader(environ)
    host = reader.text("WALLPORT_RELAY_HOST", "127.0.0.1")
    port = reader.integer("WALLPORT_RELAY_PORT", 8090, lowest=1, highest=65535)
    trusted_proxies = _networks(reader, "WALLPORT_RELAY_TRUSTED_PROXIES")
    data_dir = reader.path("WALLPORT_DATA_DIR", "data")
    default_database = f"sqlite://{quote(str((data_dir / 'relay.sqlite').absolute()))}"
    settings = Settings(
        host=host,
        port=port,
        origin=_origin(reader, host, port, is_proxied=bool(trusted_proxies)),
        database_url=reader.database_url("WALLPORT_RELAY_DATABASE_URL", default_database),
        redis_url=reader.url("WALLPORT_RELAY_REDIS_URL", ("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0"),
        trusted_proxies=trusted_proxies,
        cors_origins=reader.origins("WALLPORT_CORS_ORIGINS"),
        data_dir=data_dir,
        metrics=reader.address("WALLPORT_RELAY_METRICS"),
        limits=_limits(reader),
        log_level=reader.text(
            "WALLPORT_LOG_LEVEL",
            "info",
            pattern="debug|info|warning|error",
            hint="must be debug, info, warning or error",
        ),
        log_form=reader.text("WALLPORT_LOG_FORM", "text", pattern="text|json", hint="must be text or json"),
    )
    reader.finish(own_prefix="WALLPORT_RELAY_")
    return settings


def _limits(reader: Reader) -> RelayLimits:
    """The defaults' reasons stand in relay/limits.py and common/tunnel/limits.py."""
    usual, tunnel = RelayLimits(), Limits()

    def seconds(name: str, default: float, lowest: int, highest: int) -> float:
        return float(reader.integer(name, round(default), lowest=lowest, highest=highest))

    return RelayLimits(
        tunnel=Limits(
            streams=reader.integer("WALLPORT_RELAY_SITE_STREAMS", tunnel.streams, lowest=4, highest=4096),
            http_streams=reader.integer("WALLPORT_RELAY_SITE_REQUESTS", tunnel.http_streams, lowest=1, highest=4096),
            ping_after_s=seconds("WALLPORT_RELAY_PING_AFTER_S", tunnel.ping_after_s, 1, 300),
            dead_after_s=seconds("WALLPORT_RELAY_DEAD_AFTER_S", tunnel.dead_after_s, 1, 300),
            write_stall_s=seconds("WALLPORT_RELAY_WRITE_STALL_S", tunnel.write_stall_s, 1, 300),
            answer_timeout_s=seconds("WALLPORT_RELAY_ANSWER_TIMEOUT_S", tunnel.answer_timeout_s, 1, 60),
            progress_timeout_s=seconds("WALLPORT_RELAY_PROGRESS_TIMEOUT_S", tunnel.progress_timeout_s, 1, 60),
            slow_consumer_s=seconds("WALLPORT_RELAY_SLOW_CONSUMER_S", tunnel.slow_consumer_s, 1, 60),
        ),
        body_bytes=reader.integer("WALLPORT_RELAY_BODY_BYTES", usual.body_bytes, lowest=1024, highest=GIB),
        body_slowest_bytes_per_s=reader.integer(
            "WALLPORT_RELAY_BODY_SLOWEST_BYTES_PER_S", usual.body_slowest_bytes_per_s, lowest=1, highest=GIB
        ),
        body_grace_s=seconds("WALLPORT_RELAY_BODY_GRACE_S", usual.body_grace_s, 1, 60),
        site_bytes_per_s=reader.integer(
            "WALLPORT_RELAY_SITE_BYTES_PER_S", usual.site_bytes_per_s, lowest=65_536, highest=100 * GIB
        ),
        cancels_per_10_s=reader.integer("WALLPORT_RELAY_CANCELS", usual.cancels_per_10_s, lowest=1, highest=10_000),
        network_connections=reader.integer(
            "WALLPORT_RELAY_NETWORK_CONNECTIONS", usual.network_connections, lowest=1, highest=1_000_000
        ),
        site_wait_s=seconds("WALLPORT_RELAY_SITE_WAIT_S", usual.site_wait_s, 0, 30),
        most_waiting=reader.integer("WALLPORT_RELAY_MOST_WAITING", usual.most_waiting, lowest=0, highest=100_000),
        reconnect_spread_s=seconds("WALLPORT_RELAY_RECONNECT_SPREAD_S", usual.reconnect_spread_s, 0, 300),
        drain_s=seconds("WALLPORT_RELAY_DRAIN_S", usual.drain_s, 0, 600),
    )


def _origin(reader: Reader, host: str, port: int, *, is_proxied: bool) -> str:
    """Scheme, host and port, without a path; must be given unless the relay is reached on loopback only, by itself."""
    name = "WALLPORT_RELAY_ORIGIN"
    is_local = (host == "localhost" or _is_loopback(host)) and not is_proxied
    shown = f"[{host}]" if ":" in host else host
    origin = reader.url(name, ("https", "http"), f"http://{shown}:{port}" if is_local else None)
    parts = urlsplit(origin)
    if origin and (parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None):
        reader.faults.setdefault(name, "must be scheme, host and port only, like https://relay.example.org")
    return origin_of(origin) if name not in reader.faults else origin


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _networks(reader: Reader, name: str) -> tuple[Network, ...]:
    networks: list[Network] = []
    for text in (reader.optional_text(name) or "").split(","):
        if not text.strip():
            continue
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError:
            reader.faults[name] = "must be addresses or networks with commas between, like 127.0.0.1,10.0.0.0/8"
    return tuple(networks)
