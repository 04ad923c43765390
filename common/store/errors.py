"""What can go wrong in the store besides `common.errors.StoreUnavailable`, which alone may be tried again."""

from common.errors import AppError


class StoreError(AppError):
    """The database refused or misunderstood what we sent, or its file is damaged: trying again does not help."""

    code = "store_failed"


class StoreConflict(StoreError):
    """A row with the same key is there already; nothing of the unit was stored."""

    code = "store_conflict"


class SchemaTooNew(StoreError):
    """A newer program migrated this database; this one must not touch it."""

    code = "schema_too_new"


class UserExists(StoreConflict):
    """The name is taken, in whatever upper or lower case."""

    code = "user_exists"


class UserUnknown(StoreError):
    """There is no user of this name."""

    code = "user_unknown"


class SessionUnknown(StoreError):
    """There is no charge session of this id."""

    code = "session_unknown"


class LastAdmin(StoreError):
    """Without this admin nobody could manage the site any more."""

    code = "last_admin"


class SetupClosed(StoreError):
    """The first user was made already, or the link is wrong, used or too old."""

    code = "setup_closed"


class TokensFull(StoreError):
    """The user has as many API tokens as anybody may."""

    code = "too_many_tokens"


class TagTaken(StoreConflict):
    """The tag belongs to somebody, in whatever spelling."""

    code = "tag_taken"


class LearningBusy(StoreConflict):
    """Somebody else waits for a card."""

    code = "learning_busy"


class ProfileUnknown(StoreError):
    """There is no such profile, or it is somebody else's."""

    code = "profile_unknown"
