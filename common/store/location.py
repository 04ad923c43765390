"""Where a database is: the URL of a setting, taken apart. Pure; also says how to connect to it.

`mysql://user:password@host[:3306]/database` is MariaDB, `sqlite:///absolute/path.sqlite` an embedded file.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from common.errors import FieldError

CONNECT_TIMEOUT_S = 3  # a server that accepts at all does so at once; the api's threads must not pile up behind one
QUERY_TIMEOUT_S = 15  # a year's chart takes under 1 s; what is silent for longer is frozen
LOCK_WAIT_S = 5  # our longest transaction is a batch of some hundred rows, milliseconds; below QUERY_TIMEOUT_S

FORM = "must be mysql://user:password@host:port/database or sqlite:///absolute/path"


class Dialect(StrEnum):
    MARIADB = "mariadb"
    SQLITE = "sqlite"


@dataclass(frozen=True, slots=True)
class Location:
    """`database` is a name on a server, or the absolute path of a SQLite file."""

    dialect: Dialect
    database: str
    host: str = ""
    port: int = 3306
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def file(self) -> Path:
        """The file of a SQLite database."""
        return Path(self.database)


def parse_location(url: str) -> Location:
    """Raises FieldError (field `database_url`), without quoting the URL: it may hold a password."""
    fault = FieldError("bad database URL", {"database_url": FORM})
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError:
        raise fault from None
    if parts.query or parts.fragment:
        raise fault
    path = unquote(parts.path)
    if parts.scheme == "sqlite":
        if parts.netloc or not path.startswith("/") or path.endswith("/"):
            raise fault
        return Location(Dialect.SQLITE, path)
    name = path.removeprefix("/")
    if parts.scheme != "mysql" or not parts.hostname or not parts.username or not name or "/" in name:
        raise fault
    return Location(Dialect.MARIADB, name, parts.hostname, port, unquote(parts.username), unquote(parts.password or ""))


def mariadb_arguments(location: Location, query_timeout_s: int = QUERY_TIMEOUT_S) -> dict[str, Any]:
    """Keyword arguments of `pymysql.connect`: UTF-8, UTC, nothing cut silently, no wait without an end."""
    return {
        "host": location.host,
        "port": location.port,
        "user": location.user,
        "password": location.password,
        "database": location.database,
        "charset": "utf8mb4",  # Pony's own default is the 3-byte one
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": query_timeout_s,
        "write_timeout": query_timeout_s,
        # Not STRICT_ALL_TABLES: then the server refuses a setting that Pony makes at bind (group_concat_max_len).
        "init_command": (
            "SET time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION',"
            f" innodb_lock_wait_timeout = {LOCK_WAIT_S}"
        ),
    }
