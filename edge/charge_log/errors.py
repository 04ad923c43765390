"""What can go wrong in getting at a charge log."""

from common.errors import AppError


class ChargeLogUnavailable(AppError):
    """The wallbox did not hand its log out."""

    code = "charge_log_unavailable"
    is_retryable = True


class SourceUnusable(AppError):
    """What is to be imported cannot be read, or is neither a charge log nor the old backend's database."""

    code = "import_source_unusable"
