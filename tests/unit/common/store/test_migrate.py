"""Migrations as texts: numbered without a hole, and one text spelled for two dialects."""

import re
from string import Template

import pytest

from common.store.bind import SITE
from common.store.location import Dialect
from common.store.migrate import migrations, statements


def test_numbers_run_from_one() -> None:
    numbers = list(migrations(SITE.migrations))
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_package_without_migrations_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="hole"):
        migrations("common.security")


@pytest.mark.parametrize("dialect", Dialect)
def test_every_statement_can_be_repeated(dialect: Dialect) -> None:
    """MariaDB commits each DDL statement by itself; after a failure in the middle all are run again."""
    repeatable = r"(CREATE|ALTER|DROP) .*\bIF (NOT )?EXISTS\b|UPDATE|INSERT IGNORE|INSERT (?s:.*)\bNOT EXISTS \("
    for text in migrations(SITE.migrations).values():
        for statement in statements(text, dialect):
            assert re.match(repeatable, statement), statement


def test_comments_and_words_are_gone() -> None:
    text = "-- one; two\nCREATE TABLE IF NOT EXISTS a (id $auto_id) $clustered;\n  -- end\n"
    assert statements(text, Dialect.SQLITE) == [
        "CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY AUTOINCREMENT) WITHOUT ROWID"
    ]
    assert "COLLATE=utf8mb4_nopad_bin" in statements(text, Dialect.MARIADB)[0]


@pytest.mark.parametrize("dialect", Dialect)
def test_misspelt_word_is_an_error(dialect: Dialect) -> None:
    with pytest.raises(KeyError):
        statements("CREATE TABLE a (id $autoid)", dialect)


def test_text_columns_compare_alike() -> None:
    """Every table says its collation on MariaDB; the server's default would not tell case or trailing blanks apart."""
    for text in migrations(SITE.migrations).values():
        tables = len(re.findall(r"CREATE TABLE", text))
        assert len(re.findall(r"\) \$(?:clustered|plain);", text)) == tables
        assert Template(text).is_valid()
