"""Wallport's own version, as it was installed."""

from functools import cache
from importlib import metadata


@cache
def installed() -> str:
    """As in pyproject.toml; 0 when it is run from a folder that was never installed."""
    try:
        return metadata.version("wallport")
    except metadata.PackageNotFoundError:
        return "0"
