"""The edge's settings, read from the environment; docs/settings.md describes them. Reads nothing when imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from common.settings import Reader
from edge.retention import Kept

MQTT_PORT = 1883
MQTTS_PORT = 8883


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, and who we are there.

    With `is_tls` its certificate must be one in `ca_file`, or signed by one there; without the file, by one of the
    machine's authorities.
    """

    host: str
    port: int
    is_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the edge is told; URLs may hold credentials and stay out of `repr`.

    `generation` is that of the wallbox, as in `common.model.Meta`; None is to be found out. `own_price_per_kwh` (EUR)
    is what PV and battery energy costs where the wallbox names no price; None: what grid energy costs. `openwb_url` is
    where the web server of an openWB 1.9 is, None for nowhere. `keep_days` says for how many days to keep what; 0 is
    for ever.
    """

    broker: BrokerAddress
    generation: str | None
    redis_url: str = field(repr=False)
    database_url: str = field(repr=False)
    site_name: str
    data_dir: Path
    sample_interval_s: int
    own_price_per_kwh: float | None
    time_zone: ZoneInfo
    keep_days: Mapping[Kept, int]
    openwb_url: str | None = field(repr=False)
    api_socket: Path
    relay_ca_file: Path | None
    metrics: tuple[str, int] | None
    log_level: str
    log_form: str


def read(environ: Mapping[str, str]) -> Settings:
    """Raises SettingsError, which names every fault at once."""
    reader = Reader(environ)
    data_dir = reader.path("WALLPORT_DATA_DIR", "data")
    broker = _broker(reader)
    settings = Settings(
        broker=broker,
        generation=_generation(reader),
        redis_url=reader.url("WALLPORT_REDIS_URL", ("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0"),
        database_url=reader.database_url("WALLPORT_DATABASE_URL"),
        site_name=reader.text("WALLPORT_SITE_NAME", "home"),
        data_dir=data_dir,
        sample_interval_s=reader.integer("WALLPORT_SAMPLE_INTERVAL_S", 60, lowest=5, highest=3600),
        own_price_per_kwh=_price(reader),
        time_zone=reader.zone("WALLPORT_TIME_ZONE"),
        keep_days=_keep_days(reader),
        openwb_url=_openwb_url(reader, broker),
        api_socket=reader.path("WALLPORT_EDGE_API_SOCKET", str(data_dir / "api.sock")),
        relay_ca_file=reader.optional_file("WALLPORT_EDGE_RELAY_CA_FILE"),
        metrics=reader.address("WALLPORT_EDGE_METRICS"),
        log_level=reader.text(
            "WALLPORT_LOG_LEVEL",
            "info",
            pattern="debug|info|warning|error",
            hint="must be debug, info, warning or error",
        ),
        log_form=reader.text("WALLPORT_LOG_FORM", "text", pattern="text|json", hint="must be text or json"),
    )
    reader.finish(own_prefix="WALLPORT_EDGE_")
    return settings


def _price(reader: Reader) -> float | None:
    text = reader.text(
        "WALLPORT_EDGE_OWN_PRICE",
        "",
        pattern=r"[0-9]{1,2}(\.[0-9]{1,5})?",
        hint="must be EUR per kWh, like 0.08",
    )
    return float(text) if text else None


def _keep_days(reader: Reader) -> dict[Kept, int]:
    names = {
        Kept.SAMPLES: "WALLPORT_EDGE_KEEP_SAMPLES_DAYS",
        Kept.QUARTERS: "WALLPORT_EDGE_KEEP_QUARTERS_DAYS",
        Kept.HOURS: "WALLPORT_EDGE_KEEP_HOURS_DAYS",
        Kept.DAYS: "WALLPORT_EDGE_KEEP_DAYS_DAYS",
        Kept.MONTHS: "WALLPORT_EDGE_KEEP_MONTHS_DAYS",
    }
    return {kept: reader.integer(name, 0, lowest=0, highest=36_500) for kept, name in names.items()}


def _generation(reader: Reader) -> str | None:
    hint = "must be auto, 1.9 or 2.x"
    name = reader.text("WALLPORT_EDGE_DIALECT", "auto", pattern=r"auto|1\.9|2\.x", hint=hint)
    return None if name == "auto" else name


def _openwb_url(reader: Reader, broker: BrokerAddress) -> str | None:
    """openWB's web server is on the machine of its broker, unless somebody says otherwise."""
    name = "WALLPORT_EDGE_OPENWB_URL"
    if reader.optional_text(name) == "off":
        return None
    if not broker.host and reader.optional_text(name) is None:
        return None  # that is told already
    host = f"[{broker.host}]" if ":" in broker.host else broker.host
    url = reader.url(name, ("http", "https"), f"http://{host}")
    if name in reader.faults:
        return None
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        reader.faults[name] = "must be off, or http://host[:port] and nothing more"
    return url


def _broker(reader: Reader) -> BrokerAddress:
    name = "WALLPORT_EDGE_MQTT_URL"
    url = reader.url(name, ("mqtt", "mqtts"))
    password = reader.optional_text("WALLPORT_EDGE_MQTT_PASSWORD")
    ca_file = reader.optional_file("WALLPORT_EDGE_MQTT_CA_FILE")
    if not url or name in reader.faults:
        return BrokerAddress("", 0)
    parts = urlsplit(url)
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment or parts.port == 0:
        reader.faults[name] = "must be mqtt://[user[:password]@]host[:port] and nothing more"
    is_tls = parts.scheme == "mqtts"
    username = unquote(parts.username) if parts.username else None
    in_url = unquote(parts.password) if parts.password else None
    if ca_file is not None and not is_tls:
        reader.faults[name] = "must begin with mqtts:// when there is a certificate to check"
    if (password or in_url) and username is None:
        reader.faults[name] = "needs a user name when there is a password"
    return BrokerAddress(
        host=parts.hostname or "",
        port=parts.port or (MQTTS_PORT if is_tls else MQTT_PORT),
        is_tls=is_tls,
        username=username,
        password=password or in_url,
        ca_file=ca_file,
    )
