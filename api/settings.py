"""The api's settings, read once at the start. docs/settings.md lists them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

from api.addresses import Network
from common.settings import Reader

LONGEST_SOCKET_PATH = 107  # bytes; what Linux takes (sun_path, unix(7))


@dataclass(frozen=True, slots=True)
class Settings:
    """`sample_interval_s` is the recorder's, since history answers on its grid."""

    host: str
    port: int
    relay_socket: Path
    trusted_proxies: tuple[Network, ...]
    redis_url: str = field(repr=False)
    database_url: str = field(repr=False)
    site_name: str
    data_dir: Path
    sample_interval_s: int
    time_zone: ZoneInfo
    audit_days: int
    lan_url: str | None
    relay_url: str | None
    relay_may_see_keys: bool
    cors_origins: frozenset[str]
    log_level: str
    log_form: str

    @property
    def token_key_file(self) -> Path:
        return self.data_dir / "token_key.pem"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Raises SettingsError, which names all faults at once."""
    reader = Reader(environ)
    data_dir = reader.path("WALLPORT_DATA_DIR", "data")
    settings = Settings(
        host=reader.text("WALLPORT_API_HOST", "127.0.0.1"),
        port=reader.integer("WALLPORT_API_PORT", 8080, lowest=0, highest=65535),
        relay_socket=reader.path("WALLPORT_API_RELAY_SOCKET", str(data_dir / "api.sock")),
        trusted_proxies=_networks(reader, "WALLPORT_API_TRUSTED_PROXIES"),
        redis_url=reader.url("WALLPORT_REDIS_URL", ("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0"),
        database_url=reader.database_url("WALLPORT_DATABASE_URL"),
        site_name=reader.text(
            "WALLPORT_SITE_NAME", "home", pattern=r"[^\x00-\x1f\x7f]{1,64}", hint="must be 1 to 64 printable characters"
        ),
        data_dir=data_dir,
        sample_interval_s=reader.integer("WALLPORT_SAMPLE_INTERVAL_S", 60, lowest=5, highest=3600),
        time_zone=reader.zone("WALLPORT_TIME_ZONE"),
        audit_days=reader.integer("WALLPORT_API_AUDIT_DAYS", 730, lowest=1, highest=36_500),
        lan_url=_base_url(reader, "WALLPORT_API_LAN_URL"),
        relay_url=_base_url(reader, "WALLPORT_API_RELAY_URL"),
        relay_may_see_keys=reader.flag("WALLPORT_API_RELAY_MAY_SEE_KEYS", False),
        cors_origins=reader.origins("WALLPORT_CORS_ORIGINS"),
        log_level=reader.text(
            "WALLPORT_LOG_LEVEL",
            "info",
            pattern="debug|info|warning|error",
            hint="must be debug, info, warning or error",
        ),
        log_form=reader.text("WALLPORT_LOG_FORM", "text", pattern="text|json", hint="must be text or json"),
    )
    if len(str(settings.relay_socket).encode()) > LONGEST_SOCKET_PATH:
        reader.faults["WALLPORT_API_RELAY_SOCKET"] = f"must be a path of at most {LONGEST_SOCKET_PATH} bytes"
    reader.finish(own_prefix="WALLPORT_API_")
    return settings


def _base_url(reader: Reader, name: str) -> str | None:
    """What phones put before `/api/v1`, without a slash at the end."""
    return (
        reader.text(name, "", pattern=r"(https?://[!-~]{1,200})?", hint="must be a URL like https://host").rstrip("/")
        or None
    )


def _networks(reader: Reader, name: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in reader.text(name, "").split(",") if part.strip())
    except ValueError:
        reader.faults[name] = "must be addresses or networks like 192.168.1.2 or 172.18.0.0/16, with commas between"
        return ()
