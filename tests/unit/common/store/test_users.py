"""Which names count as the same."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.store.users import LONGEST_NAME, name_key


@pytest.mark.parametrize(
    ("one", "other"), [("Anna", "ANNA"), (" anna ", "anna"), ("J\u00fcrgen", "ju\u0308RGEN"), ("STRASSE", "straße")]
)
def test_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("Jürgen", "Jurgen"), ("anna", "anna2")])
def test_different(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.text(max_size=LONGEST_NAME))
@example("´")  # becomes a blank and an accent
def test_key_of_a_key_is_itself(name: str) -> None:
    """Whatever is typed, looking a user up by the key leads to the same row."""
    assert name_key(name_key(name)) == name_key(name)
