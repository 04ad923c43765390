"""The URL of a database, taken apart."""

import pytest

from common.errors import FieldError
from common.store.location import Dialect, Location, mariadb_arguments, parse_location


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("sqlite:///var/lib/wall%20port/a.sqlite", Location(Dialect.SQLITE, "/var/lib/wall port/a.sqlite")),
        (
            "mysql://me:p%40ss%2F@db.home:3307/wallport",
            Location(Dialect.MARIADB, "wallport", "db.home", 3307, "me", "p@ss/"),
        ),
        ("mysql://me@127.0.0.1/wallport", Location(Dialect.MARIADB, "wallport", "127.0.0.1", 3306, "me", "")),
    ],
)
def test_understood(url: str, location: Location) -> None:
    assert parse_location(url) == location


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgres://me:secret@db/wallport",
        "sqlite://relative.sqlite",
        "sqlite:///folder/",
        "sqlite:///a.sqlite?mode=secret",
        "mysql://me:secret@db",
        "mysql://me:secret@db/",
        "mysql://me:secret@db/one/two",
        "mysql://db/wallport",
        "mysql://me:secret@/wallport",
        "mysql://me:secret@db:port/wallport",
        "mysql://me:secret@db:99999/wallport",
        "mysql://me:secret@db/wallport?secret=1",
        "mysql://me:secret@[db/wallport",
    ],
)
def test_refused_without_quoting_it(url: str) -> None:
    """The fault tells the right form, and never the URL: it may hold a password."""
    with pytest.raises(FieldError) as caught:
        parse_location(url)
    assert "mysql://user:password@host" in caught.value.faults["database_url"]
    assert "secret" not in f"{caught.value} {caught.value.faults}"


def test_password_stays_out_of_repr() -> None:
    assert "geheim" not in repr(parse_location("mysql://me:geheim@db/wallport"))


def test_no_wait_is_endless() -> None:
    """A frozen server is given up after a time, and a lock before that."""
    arguments = mariadb_arguments(parse_location("mysql://me@db/wallport"))
    assert all(arguments[name] > 0 for name in ("connect_timeout", "read_timeout", "write_timeout"))
    assert "innodb_lock_wait_timeout = 5" in arguments["init_command"]
    assert arguments["read_timeout"] > 5
