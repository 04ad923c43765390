"""The folder for what a process keeps: keys, the enrolment, rows that wait for the database."""

import stat
from pathlib import Path

from common import logs

log = logs.get(__name__)


def make_private(folder: Path) -> None:
    """Make the folder for its user alone; of one that exists take away what everybody else may do there.

    The rights of its group stay, since edge and api may be two users of one group. Another user's folder, and one that
    everybody shares (`/tmp`), is left as it is, with a warning. Raises OSError when it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if not mode & stat.S_IRWXO:
        return
    try:
        if mode & stat.S_ISVTX:
            raise PermissionError
        folder.chmod(stat.S_IMODE(mode) & ~stat.S_IRWXO)
    except PermissionError:
        log.warning("data_dir_is_open_to_others", folder=str(folder))
