"""Passwords: what verifies, what is renewed, and that nobody's password costs like somebody's."""

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import FieldError
from common.security.passwords import LONGEST, SHORTEST, Passwords, Verdict

WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Parameters that make a test fast; never outside of tests."""

PASSWORDS = Passwords(WEAK)


def test_a_password_verifies_against_its_own_hash_only() -> None:
    """The right one is right, a different one and a different case are not."""
    stored = PASSWORDS.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert PASSWORDS.verify(stored, "correct horse battery") == Verdict(is_right=True)
    assert PASSWORDS.verify(stored, "Correct horse battery") == Verdict(is_right=False)


def test_the_same_password_never_gives_the_same_hash() -> None:
    """Each hash has its own salt."""
    assert PASSWORDS.hash("correct horse battery") != PASSWORDS.hash("correct horse battery")


def test_composed_and_decomposed_letters_are_the_same_password() -> None:
    """A Mac sends "ü" as two code points, a phone as one."""
    stored = PASSWORDS.hash("für Elise am Klavier")
    assert PASSWORDS.verify(stored, "für Elise am Klavier").is_right


def test_nobodys_password_is_never_right() -> None:
    """An unknown user is verified against a hash that nobody has, even by its own password."""
    assert PASSWORDS.verify(None, "no user has this hash") == Verdict(is_right=False)


def test_nobodys_hash_has_the_parameters_of_real_ones() -> None:
    """Otherwise the time of an answer would tell whether a user exists."""
    assert not WEAK.check_needs_rehash(PASSWORDS._nobodys_hash)


def test_a_hash_with_older_parameters_is_right_and_wants_renewal() -> None:
    """And a wrong password never triggers one."""
    stored = PASSWORDS.hash("correct horse battery")
    newer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    assert newer.verify(stored, "correct horse battery") == Verdict(is_right=True, needs_rehash=True)
    assert newer.verify(stored, "wrong horse battery") == Verdict(is_right=False)


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1])
def test_a_password_of_a_bad_length_is_not_hashed(length: int) -> None:
    """The fault names the field."""
    with pytest.raises(FieldError) as caught:
        PASSWORDS.hash("x" * length)
    assert set(caught.value.faults) == {"password"}


@pytest.mark.parametrize(
    "password",
    [
        *(
            "1234567890",
            "0987654321",
            "1q2w3e4r5t",
            "qwertyuiop",
            "Password123",
            "p@ssword123",
            "aaaaaaaaaaaaaaaa",
            "abcdefghijkl",
        ),
        *("passwort123", "qwertzuiop", "wallport2024", "openWB1234", "wallbox123", "administrator", "1234567890" * 20),
    ],
)
def test_what_everybody_tries_first_is_no_new_password(password: str) -> None:
    """Whoever it is for; it is neither quoted nor hashed. Who has one already can still log in, and have it renewed."""
    with pytest.raises(FieldError) as caught:
        PASSWORDS.hash(password)
    assert set(caught.value.faults) == {"password"}
    assert password not in str(caught.value.faults)
    assert PASSWORDS.verify(PASSWORDS.rehash(password), password).is_right


@pytest.mark.parametrize(
    "password", ["vZ8#kq0!xW", "Grünkohl am Deich", "correct horse", "Kqhi3-wJ2v_Zb0Rf", "ab" * 3 + "Zk4#w9"]
)
def test_an_uncommon_password_is_taken(password: str) -> None:
    """Ten random characters, or some words."""
    assert PASSWORDS.verify(PASSWORDS.hash(password), password).is_right


def test_half_a_character_is_no_password() -> None:
    """A lone surrogate cannot be encoded: a fault, not a crash."""
    with pytest.raises(FieldError) as caught:
        PASSWORDS.hash("\ud800" * SHORTEST)
    assert set(caught.value.faults) == {"password"}


@settings(max_examples=30)
@given(stored=st.text(max_size=60), password=st.text(max_size=60))
def test_garbage_in_the_database_is_wrong_and_never_an_error(stored: str, password: str) -> None:
    """A damaged row must not take the login route down."""
    assert PASSWORDS.verify(stored or "x", password) == Verdict(is_right=False)
