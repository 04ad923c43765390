"""docs/deploy.md: every command on it belongs to a drill, which runs it as it stands there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.kit.deploy_page import PAGE, blocks, commands

DRILLS = Path(__file__).parents[1] / "drills"


def test_every_command_is_part_of_a_drill() -> None:
    """A section with commands is named in a drill, and a drill names no section that is not there."""
    sections = {block.heading for block in blocks()}
    drilled = {
        name for path in DRILLS.glob("drill_*.py") for name in re.findall(r'commands\("([^"]+)"\)', path.read_text())
    }
    assert drilled == sections
    assert len(sections) > 5


def test_every_block_is_a_shell_s() -> None:
    """No half commands for another program's prompt, which nothing could try; each is sound by itself."""
    for block in blocks():
        assert block.language == "sh", f"line {block.line}"
        done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), f"line {block.line}"


def test_prose_has_no_steps() -> None:
    """What is to be typed stands in a block: a command in a sentence would be typed, and tried by no drill."""
    prose = re.sub(r"(?ms)^ *(?:\d+\. )?```.*?^ *```$", "", PAGE.read_text())
    steps = re.findall(r"`((?:apt|git|curl|systemctl|certbot|install|mariadb|deploy/\S+\.sh) [^`]*)`", prose)
    assert steps == []


def test_blocks_are_read_as_they_are_shown() -> None:
    """Also in a list, where they are indented, and with a heredoc in them."""
    text = "# A\n\n1. Do:\n\n   ```sh\n   cat > x <<'END'\n     y\n   END\n   ```\n\n## B\n\n```sql\nSELECT 1;\n```\n"
    first, second = blocks(text)
    assert (first.heading, first.language, first.text, first.line) == ("A", "sh", "cat > x <<'END'\n  y\nEND", 6)
    assert (second.heading, second.language, second.text) == ("B", "sql", "SELECT 1;")
    with pytest.raises(ValueError, match="no commands"):
        commands("nowhere")
