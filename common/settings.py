"""Reads settings from the environment, and names every fault at once.

A product's `settings.py` asks a `Reader` for each of its settings and ends with `finish()`. Any value may be given as a
file instead: `WALLPORT_X_FILE=/run/secrets/x` is read in place of `WALLPORT_X`, which keeps secrets out of the
environment. Faults never quote the value, since it may be a secret. docs/settings.md lists all settings.
"""

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from common.cors import is_origin
from common.errors import FieldError
from common.local_time import DEFAULT_ZONE, zone_named
from common.store import location

LONGEST_VALUE = 8192  # bytes; a key or URL is far shorter, and a wrong path may name a huge file


IN_A_PASSWORD = "; in a user name or password write / @ : ? # % as %2F %40 %3A %3F %23 %25"


class SettingsError(FieldError):
    """Some settings are missing or malformed; `faults` maps each variable's name to what is wrong."""

    code = "bad_settings"


@dataclass(slots=True)
class Reader:
    """Collects settings and faults. Every getter returns its default where the variable is unset or faulty."""

    environ: Mapping[str, str]
    faults: dict[str, str] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def text(self, name: str, default: str | None = None, *, pattern: str | None = None, hint: str = "") -> str:
        """A text; `pattern` must match it whole, `hint` tells people what would. Without a default it is required."""
        value = self._raw(name)
        if value is None:
            if default is None and f"{name}_FILE" not in self.faults:
                why = f"the file that {name}_FILE names is empty" if self.environ.get(f"{name}_FILE") else hint
                self.faults.setdefault(name, f"is missing{f': {why}' if why else ''}")
            return default or ""
        if pattern is not None and not re.fullmatch(pattern, value):
            self.faults[name] = hint or "has the wrong form"
            return default or ""
        return value

    def optional_text(self, name: str) -> str | None:
        return self._raw(name)

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        """A URL of one of `schemes`. Credentials in it are allowed here: it is not logged."""
        hint = f"must be a URL like {schemes[0]}://…"
        value = self.text(name, default, hint=hint)
        if "@" in value:
            hint += IN_A_PASSWORD
        if not value:
            return value
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            self.faults[name] = hint
            return value
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            self.faults[name] = f"must start with {' or '.join(f'{scheme}:' for scheme in schemes)}"
        elif parts.netloc and "@" in f"{parts.path}{parts.query}{parts.fragment}":
            self.faults[name] = hint  # the password's / ? or # has ended the host
        return value

    def database_url(self, name: str, default: str | None = None) -> str:
        """The URL of a database, in the form that connecting to it asks for (common/store/location.py)."""
        value = self.text(name, default, hint=location.FORM)
        if value:
            try:
                location.parse_location(value)
            except FieldError as exc:
                self.faults[name] = exc.faults["database_url"] + (IN_A_PASSWORD if "@" in value else "")
        return value

    def optional_url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        return self.url(name, schemes) if self._raw(name) is not None else None

    def integer(self, name: str, default: int, *, lowest: int, highest: int) -> int:
        value = self._raw(name)
        if value is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,15}", value) or not lowest <= int(value) <= highest:
            self.faults[name] = f"must be a whole number from {lowest} to {highest}"
            return default
        return int(value)

    def address(self, name: str) -> tuple[str, int] | None:
        """HOST:PORT or [HOST]:PORT to listen on; None when unset."""
        value = self._raw(name)
        if value is None:
            return None
        found = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]]+)):([0-9]{1,5})", value)
        if found is None or not 1 <= int(found[3]) <= 65535:
            self.faults[name] = "must be a host and a port, like 127.0.0.1:9463"
            return None
        return found[1] or found[2], int(found[3])

    def zone(self, name: str) -> ZoneInfo:
        """A time zone by its IANA name."""
        try:
            return zone_named(self.text(name, DEFAULT_ZONE))
        except FieldError as exc:
            self.faults[name] = exc.faults["time_zone"]
            return zone_named(DEFAULT_ZONE)

    def origins(self, name: str) -> frozenset[str]:
        """Origins of pages, with commas between; none when unset."""
        found = frozenset(part.strip() for part in (self._raw(name) or "").split(",") if part.strip())
        if not all(map(is_origin, found)):
            self.faults[name] = "must be origins in lower case with commas between, like https://app.example.org"
            return frozenset()
        return found

    def flag(self, name: str, default: bool) -> bool:
        value = self._raw(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            self.faults[name] = "must be true or false"
            return default
        return value == "true"

    def path(self, name: str, default: str) -> Path:
        return Path(self._raw(name) or default)

    def optional_path(self, name: str) -> Path | None:
        value = self._raw(name)
        return Path(value) if value is not None else None

    def optional_file(self, name: str) -> Path | None:
        """The path of a file that must be there and readable."""
        path = self.optional_path(name)
        if path is not None:
            try:
                path.open("rb").close()
            except OSError as exc:
                self.faults[name] = _why_unreadable(exc)
        return path

    def finish(self, *, own_prefix: str) -> None:
        """Raise SettingsError if anything was wrong, also for unknown variables that begin with `own_prefix`."""
        for name in sorted(self.environ):
            if name.startswith(own_prefix) and not {name, name.removesuffix("_FILE")} & self._asked:
                self.faults.setdefault(name, "is not a setting; see docs/settings.md")
        if self.faults:
            lines = "; ".join(f"{name} {fault}" for name, fault in sorted(self.faults.items()))
            raise SettingsError(f"bad settings: {lines}", dict(self.faults))

    def _raw(self, name: str) -> str | None:
        self._asked.add(name)
        direct, in_file = self.environ.get(name), self.environ.get(f"{name}_FILE")
        if direct and in_file:
            self.faults[name] = f"is set twice, here and as {name}_FILE"
        if not in_file:
            return direct or None
        try:
            with Path(in_file).open("rb") as file:
                content = file.read(LONGEST_VALUE + 1)
            if len(content) > LONGEST_VALUE:
                self.faults[f"{name}_FILE"] = f"names a file of more than {LONGEST_VALUE} bytes"
                return None
            return content.decode("utf-8").strip() or None
        except OSError as exc:
            self.faults[f"{name}_FILE"] = _why_unreadable(exc)
        except UnicodeDecodeError:
            self.faults[f"{name}_FILE"] = "names a file that is not UTF-8 text"
        return None


def _why_unreadable(exc: OSError) -> str:
    """Whether to make the file, or to let this user read it."""
    if isinstance(exc, FileNotFoundError):
        return "names a file that does not exist"
    if isinstance(exc, IsADirectoryError):
        return "names a folder"
    if isinstance(exc, PermissionError):
        return f"names a file that the user {_own_name()} may not read"
    return f"names a file that cannot be read: {exc.strerror}"


def _own_name() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container that was given a number
        return str(uid)
