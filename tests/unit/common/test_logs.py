"""Logs: no secret and no forged line gets through."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from common import logs


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://user:hunter2@host/x",
        "Authorization: Bearer hunter2hunter2",
        "GET /live?ticket=hunter2&x=1",
        "token eyJhbGciOiJFZERTQSJ9.hunter2.sig",
    ],
)
def test_secret_in_a_known_form_is_cut_out(text: str) -> None:
    """Credentials in URLs, bearer tokens, tickets and JWTs never reach the log, whatever the field is called."""
    assert "hunter2" not in logs.redact_text(text)


def test_secret_by_name_is_cut_out_and_lines_cannot_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    """A field named like a secret is blanked; a newline or escape in a payload stays within its line."""
    logs.set_up("info", "json")
    logs.get("test").info("seen", refresh_token="hunter2", payload='a\n{"level":"error"}\x1b[2J')
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    entry = json.loads(lines[0])
    assert entry["refresh_token"] == "…"
    assert "\x1b" not in entry["payload"]


def test_library_log_and_traceback_go_through_the_same_redaction(capsys: pytest.CaptureFixture[str]) -> None:
    """What libraries log, and exceptions' texts, are redacted and shortened too."""
    logs.set_up("info", "text")
    try:
        raise ValueError("cannot reach mysql://u:hunter2@db/x " + "y" * 10_000)
    except ValueError:
        logging.getLogger("library").exception("failed")
    line = capsys.readouterr().err
    assert "hunter2" not in line
    assert "ValueError" in line
    assert len(line) < 6_000
