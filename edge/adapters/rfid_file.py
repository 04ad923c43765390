"""What the RFID loop keeps over restarts, as one file.

Written as a whole, beside the old one and then in its place; that is some kilobytes a few times a day. Its content is
personal, so nobody else on the machine may read it.
"""

import os
from pathlib import Path

import msgspec

from common import logs
from edge.profiles import Journal

log = logs.get(__name__)


class RfidFile:
    """For one thread. A file that cannot be read is set aside, and a new one is begun."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Journal:
        """What was kept last; empty if nothing was, or if it is damaged."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Journal)
        except FileNotFoundError:
            return Journal()
        except (OSError, msgspec.MsgspecError) as exc:
            log.error("rfid_file_unusable", why=type(exc).__name__)  # its text may quote a tag
            try:
                self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
            except OSError as again:
                log.debug("rfid_file_stays", why=again.strerror)
            return Journal()

    def save(self, journal: Journal) -> str | None:
        """Why it could not be kept, in words for anybody; None if it was."""
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(journal))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as exc:
            return exc.strerror or "the disk failed"
        return None
