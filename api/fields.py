"""Paths into the state (`grid.power_w`), and the selections of them that `?fields=` and `?series=` ask for. Pure.

A selection is a list of prefixes at whole names: `grid` selects all of grid, `charge_points.1.power_w` one value.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from common.model import Battery, ChargePoint, Device, Grid, Home, Pv, Tariff, Vehicle

MOST_PATHS = 50

PARTS: Mapping[str, type] = {"grid": Grid, "pv": Pv, "battery": Battery, "home": Home, "tariff": Tariff}
"""The parts with one object each."""

COLLECTIONS: Mapping[str, type] = {"charge_points": ChargePoint, "devices": Device, "vehicles": Vehicle}
"""The parts with several objects by id."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty selects everything."""

    paths: tuple[str, ...] = ()

    def has(self, path: str) -> bool:
        """Whether the value at `path` is selected."""
        return not self.paths or any(path == wanted or path.startswith(f"{wanted}.") for wanted in self.paths)

    def touches(self, path: str) -> bool:
        """Whether anything at or below `path` is selected."""
        return self.has(path) or any(wanted.startswith(f"{path}.") for wanted in self.paths)


EVERYTHING = Selection()


def selection(text: str) -> Selection:
    """The selection of a comma-separated list of paths; raises ValueError with words for the client."""
    return of_paths(text, is_state_path)


def of_paths(text: str, is_known: "PathTest") -> Selection:
    """Like `selection`, with other known paths."""
    paths = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if len(paths) > MOST_PATHS:
        raise ValueError(f"must have at most {MOST_PATHS} paths")
    for path in paths:
        if not is_known(path):
            raise ValueError(f"has an unknown path at position {paths.index(path) + 1}")
    return Selection(paths)


class PathTest:
    """Knows a set of leaf paths of the site, the leaf names below each collection, and every prefix of them."""

    def __init__(self, site_paths: Iterable[str], collections: Mapping[str, Iterable[str]]) -> None:
        self._site = {prefix for path in site_paths for prefix in (path, path.partition(".")[0])}
        self._collections = {collection: frozenset(names) for collection, names in collections.items()}

    def __call__(self, path: str) -> bool:
        head, *rest = path.split(".")
        names = self._collections.get(head)
        if names is None:
            return path in self._site
        if len(rest) > 2 or (rest and not _ID.fullmatch(rest[0])):
            return False
        return len(rest) < 2 or rest[1] in names


is_state_path = PathTest(
    (f"{part}.{item.name}" for part, shape in PARTS.items() for item in fields(shape)),
    {collection: [item.name for item in fields(shape)] for collection, shape in COLLECTIONS.items()},
)
