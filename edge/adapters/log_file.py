"""Charge logs as files on this machine."""

from pathlib import Path

from edge.charge_log.errors import SourceUnusable

LARGEST = 16 * 1024 * 1024  # bytes; decades of one household in one file


def read(path: Path) -> bytes:
    """Raises SourceUnusable."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as exc:
        raise SourceUnusable(f"{path} cannot be read: {exc.strerror}") from exc
    if len(content) > LARGEST:
        raise SourceUnusable(f"{path} is no charge log: it has more than {LARGEST // 2**20} MiB")
    return content
