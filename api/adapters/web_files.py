"""The web app's files, as `make web` built them into `api/web/`: read once, since they never change while it runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "web"

_ENCODINGS = {".br": "br", ".gz": "gzip"}


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file's content, by content encoding; "" is the file as it is. `digest` is that of the latter."""

    content: Mapping[str, bytes]
    digest: str


def read(folder: Path | None = None) -> Mapping[str, WebFile]:
    """Return the files by their path below the folder (`assets/x.js`); none where the web app was not built."""
    found: dict[str, dict[str, bytes]] = {}
    folder = folder or FOLDER
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            encoding = _ENCODINGS.get(path.suffix, "")
            named = path.with_suffix("") if encoding else path
            found.setdefault(named.relative_to(folder).as_posix(), {})[encoding] = path.read_bytes()
    return {
        name: WebFile(content, hashlib.sha256(content[""]).hexdigest()[:20])
        for name, content in found.items()
        if "" in content
    }
