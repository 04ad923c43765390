"""Log set-up: one line an event, `key=value` or JSON, to standard error; secrets are cut out by name and by form.

Called once by each process's `__main__`; modules get their logger with `logs.get(__name__)`. Every text is stripped
of control characters, so that a payload cannot forge a line.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

LONGEST_TEXT = 500  # characters of one value: a hostile payload must not fill the disk by one line

_SECRET_NAME = re.compile(r"passw|secret|token|authorization|cookie|api_?key|private|totp|\bcode\b", re.IGNORECASE)
_SECRET_FORMS = (
    (re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*@"), "…@"),  # credentials in a URL
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "…jwt…"),
    (re.compile(r"\bwp[a-z]_[\w.-]{20,}"), "…secret…"),  # refresh tokens, pairing and setup secrets
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.+/=~-]+"), r"\1 …"),
    (re.compile(r"(?i)\b(ticket|token|password|code)=[^&\s]+"), r"\1=…"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; log events as past-tense words with named values: `log.info("tunnel_opened", site=…)`."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(name))


def set_up(level: str = "info", form: str = "text") -> None:
    """Send everything, our events and the libraries' own, through the redaction to standard error.

    `level` is debug, info, warning or error; `form` is text or json.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("sanic.access", "websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The processor that cuts secrets out, strips control characters and shortens long texts."""
    for name, value in event.items():
        if name.startswith("_"):
            continue
        if name not in ("event", "timestamp", "level", "logger") and _SECRET_NAME.search(name):
            event[name] = "…"
        elif isinstance(value, BaseException):
            event[name] = redact_text(repr(value))
        elif isinstance(value, str):
            event[name] = redact_text(value, 8 * LONGEST_TEXT if name == "exception" else LONGEST_TEXT)
    return event


def redact_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """One line without secrets in a known form, at most `longest` characters."""
    for form, replacement in _SECRET_FORMS:
        text = form.sub(replacement, text)
    text = _CONTROL.sub(" ", text.replace("\n", " ⏎ "))
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
