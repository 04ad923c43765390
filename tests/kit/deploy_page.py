"""docs/deploy.md as the tests see it: its commands, section by section, in the order in which a reader types them."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: the heading that it stands under, its language, and the number of its first line."""

    heading: str
    language: str
    text: str
    line: int


def blocks(text: str | None = None) -> list[Block]:
    """All fenced blocks of the page, without the indent of the list that they stand in."""
    found: list[Block] = []
    heading, fence, language, lines, began = "", "", "", [""], 0
    for number, line in enumerate((text or PAGE.read_text()).splitlines(), 1):
        opening = re.match(r"( *(?:\d+\. )?)```(\w*)$", line)
        if not fence and line.startswith("#"):
            heading = line.lstrip("# ")
        elif not fence and opening:
            fence, language, lines, began = " " * len(opening[1]), opening[2], [], number + 1
            fence += "```"
        elif fence and line == fence:
            found.append(Block(heading, language, "\n".join(lines), began))
            fence = ""
        elif fence:
            lines.append(line.removeprefix(fence.removesuffix("```")))
    return found


def commands(heading: str) -> list[Block]:
    """What a reader of this section types into a shell; never empty."""
    found = [block for block in blocks() if block.heading == heading and block.language == "sh"]
    if not found:
        raise ValueError(f"docs/deploy.md has no commands under {heading!r}")
    return found
