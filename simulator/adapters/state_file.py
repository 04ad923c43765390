"""A wallbox in a file: whole, with its household, so that another process goes on with it."""

import pickle
from pathlib import Path

from simulator.wallbox import Wallbox


def save(wallbox: Wallbox, file: Path) -> None:
    file.touch(mode=0o600)
    file.write_bytes(pickle.dumps(wallbox))


def load(file: Path) -> Wallbox:
    """What `save` left there. Only for a file of one's own: whoever can write it can run code here."""
    wallbox: Wallbox = pickle.loads(file.read_bytes())  # noqa: S301 -- the demo's own, in its private folder
    return wallbox
