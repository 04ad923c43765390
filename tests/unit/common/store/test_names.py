"""What a user may be called."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import FieldError
from common.store.names import LONGEST_NAME, clean, skeleton


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Anna ", "Anna"),
        ("Anna \u00a0 B", "Anna B"),
        ("J\u00fcrgen 🚗", "J\u00fcrgen 🚗"),
        ("Ju\u0308rgen", "J\u00fcrgen"),
        ("ﬁona", "fiona"),
        ("Ёлка", "Ёлка"),
        ("山田 たろう", "山田 たろう"),
        ("o'Neill-2", "o'Neill-2"),
        ("=cmd()", "=cmd()"),  # harmless as a name; whoever writes files guards there
    ],
)
def test_a_name_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert clean(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "x" * 65, "\ufdfa" * 4, "a\u200db", "a\ufe0fb", "a\u202eb", "\u3164", "a/b", "a\\b", ".", "..", "\ud800",
     "\u0430dmin", "Annа", "αdmin", "a\nb"],
)  # fmt: skip
def test_what_cannot_be_read_or_deceives_is_refused(typed: str) -> None:
    """Too long once it is normalised, invisible, a part of a path, letters of two scripts."""
    with pytest.raises(FieldError):
        clean(typed)


@pytest.mark.parametrize(("one", "other"), [("coca", "соса"), ("ANNA", "anna"), ("oxo", "охо"), ("vα", "νа")])
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    """Latin, Cyrillic and Greek."""
    assert skeleton(one) == skeleton(other)


@given(st.text(max_size=2 * LONGEST_NAME))
def test_cleaning_ends_and_fits(typed: str) -> None:
    """Whatever is typed: refused, or a name that stays as it is and fits the column."""
    try:
        kept = clean(typed)
    except FieldError:
        return
    assert clean(kept) == kept
    assert 1 <= len(kept) <= LONGEST_NAME
    assert unicodedata.is_normalized("NFKC", kept)
