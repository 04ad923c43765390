"""docs/settings.md lists every setting that a product reads, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_lists_exactly_what_the_products_read() -> None:
    """A new setting without a line on the page fails here, and so does a line without a setting."""
    read: set[str] = set()
    for product in ("common", "edge", "api", "relay"):
        for file in (ROOT / product).rglob("*.py"):
            read |= set(re.findall(r'"(WALLPORT_[A-Z_]*[A-Z])"', file.read_text()))
    page = (ROOT / "docs" / "settings.md").read_text()
    tables = page.partition("## Shared")[2].partition("## nginx templates")[0]
    assert set(re.findall(r"^\| `(WALLPORT_[A-Z_]+)`", tables, re.MULTILINE)) == read
