"""The one root of Wallport's errors.

Each error has a stable, documented `code` (docs/errors.md), says whether trying again may help, and separates what
anybody may read (`message`) from what belongs into the log only (`detail`). Adapters raise these in place of their
library's exceptions; products map them to an HTTP status in their `problems.py`.
"""

from typing import ClassVar


class AppError(Exception):
    """Root of every error that Wallport raises on purpose.

    `message` may be shown to anybody and holds no secret; `detail` goes to the log only.
    """

    code: ClassVar[str] = "internal"
    is_retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class FieldError(AppError):
    """Input that breaks its contract. `faults` maps each field's name to what is wrong with it, all at once."""

    code = "invalid_input"

    def __init__(self, message: str, faults: dict[str, str]) -> None:
        super().__init__(message)
        self.faults = faults


class RedisUnavailable(AppError):
    """Redis did not answer within its timeout, or refused."""

    code = "redis_unavailable"
    is_retryable = True


class StoreUnavailable(AppError):
    """The database did not answer, or the connection broke.

    Nothing of the unit was stored, unless the connection broke during the commit itself: then nobody knows.
    """

    code = "store_unavailable"
    is_retryable = True


class BrokerUnavailable(AppError):
    """The MQTT broker cannot be reached or refused the session."""

    code = "broker_unavailable"
    is_retryable = True
