"""The words of the exports, and who gets which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.exports.texts import _WORDS, Language, accepted_language, method_words, value_words, words


def test_both_languages_say_all() -> None:
    """With the same places for values."""
    for key, (german, english) in _WORDS.items():
        assert german, key
        assert english, key
        assert sorted(_places(german)) == sorted(_places(english)), key


def _places(text: str) -> list[str]:
    return [part.partition("}")[0] for part in text.split("{")[1:]]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", Language.DE),
        ("fr-FR,fr;q=0.9", Language.DE),
        ("en", Language.EN),
        ("en-GB,en;q=0.9,de;q=0.8", Language.EN),
        ("de-AT, en", Language.DE),
        ("en;q=0.2, de;q=0.7", Language.DE),
        ("EN;q=1, de;q=0.7", Language.EN),
        ("en;q=0, de;q=0", Language.DE),
        ("en;q=x", Language.DE),
    ],
)
def test_the_browser_chooses_the_language(header: str, language: Language) -> None:
    assert accepted_language(header) is language


@given(st.text())
def test_any_header_gives_a_language(header: str) -> None:
    assert accepted_language(header) in Language


def test_known_values_have_words_and_others_stand_as_they_are() -> None:
    """A newer edge may store what this api has no words for."""
    assert value_words("mode", "scheduled", Language.DE) == "Zielladen"
    assert value_words("mode", "turbo", Language.DE) == "turbo"
    assert value_words("mode", None, Language.DE) is None
    assert words("method.tariff", Language.EN) in method_words("tariff_gaps", Language.EN)
    assert method_words("dice", Language.EN) == "dice"
