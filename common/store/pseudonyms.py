"""Takes a deleted user's name out of the charge sessions and scans that stay.

All functions block and raise like the store's.
"""

import json
from typing import Any

from common.profiles import learnt_by
from common.store import scans
from common.store.bind import Store
from common.store.names import name_key


def give(store: Store, name: str) -> str | None:
    """Write a pseudonym in place of a deleted user's name and forget their tags; the pseudonym.

    The name is free again then. None if no deleted user has this name. All in one unit, or nothing.
    """
    key = name_key(name)

    def work(db: Any) -> str | None:
        former = db.FormerUser.get_for_update(name_key=key)
        if former is None:
            return None
        pseudonym = scans.pseudonym(former.user_id)
        _rewrite(db, former.name, pseudonym)
        scans.forget_person(db, former.user_id, learnt_by(former.name))
        former.delete()
        return pseudonym

    return store.run(work)


def _rewrite(db: Any, name: str, pseudonym: str) -> None:
    # Tags are cards: whoever holds one is known by it.
    theirs = "session_id IN (SELECT id FROM charge_session WHERE user_name = $name)"
    values: dict[str, str] = {"name": name, "pseudonym": pseudonym}
    db.execute(f"UPDATE wallbox_log_entry SET tag = NULL WHERE {theirs}", values)  # noqa: S608 -- our own words
    db.execute(
        f"UPDATE session_correction SET old_value = 'null', new_value = 'null' WHERE field = 'tag' AND {theirs}",  # noqa: S608
        values,
    )
    db.execute("UPDATE session_correction SET corrected_by = $pseudonym WHERE corrected_by = $name", values)
    for column in ("old_value", "new_value"):
        for is_ascii in (True, False):  # JSON has two spellings of an umlaut
            texts = {
                "name": json.dumps(name, ensure_ascii=is_ascii),
                "pseudonym": json.dumps(pseudonym, ensure_ascii=is_ascii),
            }
            db.execute(f"UPDATE session_correction SET {column} = $pseudonym WHERE {column} = $name", texts)  # noqa: S608
    db.execute("UPDATE charge_session SET user_name = $pseudonym, tag = NULL WHERE user_name = $name", values)
