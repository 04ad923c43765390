"""What a user may be called, and which names count as the same. Pure.

A name is shown to other people, stands in URLs and files, and tells whose a charge was: so it is one line of visible
characters, and none that reads like another user's. The rule: letters of one script (Han, kana, Hangul and bopomofo
count as one), and no two users whose names differ only in letters that look alike across Latin, Cyrillic and Greek.
"""

import re
import unicodedata

from common.errors import FieldError

LONGEST_NAME = 64  # characters
LONGEST_KEY = 255  # a few letters of Unicode become many when they are normalised

_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
_FORBIDDEN = frozenset("/\\")  # a name is one segment of a path, also behind proxies that decode it
# Visible by category and yet nothing to see: fillers, joiners, selectors (Unicode's Default_Ignorable_Code_Point).
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_ALIKE = str.maketrans(
    "авекмнорстухіјѕԛԝһӏьαβεηικνορτυχωϲϳ",
    "abekmhopctyxijsqwhlbabenikvoptuxwcj",
)
"""Small letters of Cyrillic and Greek, as the Latin ones that they are drawn like (a part of UTS 39's table)."""


def clean(name: str) -> str:
    """The name as it is kept: NFKC, single blanks. Raises FieldError for one that cannot be."""
    try:
        kept = " ".join(unicodedata.normalize("NFKC", name).split(" ")).strip()
    except UnicodeError:
        kept = ""
    kept = re.sub(" {2,}", " ", kept)
    fault = None
    if not 1 <= len(kept) <= LONGEST_NAME or not can_exist(name_key(kept)) or not kept.isprintable():
        fault = f"must have 1 to {LONGEST_NAME} printable characters"
    elif _FORBIDDEN & set(kept) or kept in (".", ".."):
        fault = "must not contain / or \\"
    elif _INVISIBLE.search(kept):
        fault = "must not contain invisible characters"
    elif len(scripts(kept)) > 1:
        fault = "must not mix letters of different scripts"
    if fault is not None:
        raise FieldError("bad user name", {"name": fault})
    return kept


def name_key(name: str) -> str:
    """What is equal for names that count as the same: "Jürgen" and "JÜRGEN", however their ü is encoded.

    Unicode's compatibility caseless matching (The Unicode Standard, 3.13, D146), without blanks around it.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", name).casefold())
    return unicodedata.normalize("NFKD", folded.casefold()).strip()


def skeleton(name: str) -> str:
    """What is equal for names that look the same."""
    return name_key(name).translate(_ALIKE)


def scripts(name: str) -> set[str]:
    """The scripts of a name's letters, by the first word of each letter's Unicode name."""
    found = {unicodedata.name(letter, "?").split(" ")[0] for letter in name if unicodedata.category(letter)[0] == "L"}
    # Letters that belong to no script: the ordinals ª and º, and modifiers.
    found -= {"FEMININE", "MASCULINE", "MODIFIER"}
    return {"EAST ASIAN" if script in _EAST_ASIAN else script for script in found}


def can_exist(key: str) -> bool:
    """Whether a column can hold the key: neither too long nor with control characters or halves of characters."""
    return 0 < len(key) <= LONGEST_KEY and key.isprintable()
