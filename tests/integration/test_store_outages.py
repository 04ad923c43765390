"""The store while a real MariaDB kills connections, deadlocks, stops and comes back: all of a unit, or nothing."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

from common.errors import StoreUnavailable
from common.store import samples, users
from common.store.bind import Store, open_store
from common.store.rows import SampleRow
from tests.kit import servers


@pytest.fixture
def store(mariadb_url: str) -> Iterator[Store]:
    store = open_store(mariadb_url)
    store.ping()
    yield store
    store.close()


def kill_connection(url: str, number: int) -> None:
    """As the server does by itself when it restarts or a connection was idle for too long."""
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 0, user=parts.username, password=unquote(parts.password or "")
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("KILL %s", (number,))


def own_number(db: Any) -> int:
    return int(db.select("SELECT CONNECTION_ID()")[0])


def insert(db: Any, tick: int) -> None:
    db.execute(f"INSERT INTO sample (sampled_at) VALUES ({tick})")


def ticks(store: Store) -> list[int]:
    return [row.sampled_at for row in samples.between(store, 0, 10**9, 1000)]


def test_connection_that_died_while_idle_goes_unnoticed(store: Store, mariadb_url: str) -> None:
    """Each kind of unit: entities, one statement, many rows."""
    uses: list[Callable[[], object]] = [
        lambda: users.add(store, name="Anna", password_hash="h", role="admin", created_at=1),
        lambda: users.set_totp_secret(store, "anna", "SECRET"),
        lambda: users.accept_totp_step(store, "anna", 1),
        lambda: samples.insert(store, [SampleRow(sampled_at=60)]),
        lambda: ticks(store),
    ]
    for use in uses:
        kill_connection(mariadb_url, store.run(own_number))
        use()
    assert not users.accept_totp_step(store, "anna", 1)
    assert ticks(store) == [60]


def test_connection_killed_in_the_middle_loses_no_half(store: Store, mariadb_url: str) -> None:
    """Pony by itself would lose the first row and store the second, without an error. Here the unit runs again."""
    attempts = []

    def work(db: Any) -> None:
        attempts.append(1)
        insert(db, 60)
        if len(attempts) == 1:
            kill_connection(mariadb_url, own_number(db))
        insert(db, 120)

    store.run(work)
    assert ticks(store) == [60, 120]
    assert len(attempts) == 2


def test_connection_killed_again_and_again_ends_with_an_error(store: Store, mariadb_url: str) -> None:
    """Two attempts and no more; nothing is stored."""
    attempts = []

    def work(db: Any) -> None:
        attempts.append(1)
        insert(db, 60)
        kill_connection(mariadb_url, own_number(db))
        insert(db, 120)

    with pytest.raises(StoreUnavailable, match="broke"):
        store.run(work)
    assert len(attempts) == 2
    assert ticks(store) == []


def test_connection_killed_before_the_commit_is_not_repeated(store: Store, mariadb_url: str) -> None:
    """Whether a commit arrived cannot be known in general, so the caller decides."""
    attempts = []

    def work(db: Any) -> None:
        attempts.append(1)
        insert(db, 60)
        kill_connection(mariadb_url, own_number(db))

    with pytest.raises(StoreUnavailable):
        store.run(work)
    assert len(attempts) == 1
    assert ticks(store) == []


def test_deadlock_is_resolved_by_repeating_the_victim(store: Store) -> None:
    """Two units lock two rows in opposite order."""
    samples.insert(store, [SampleRow(sampled_at=60), SampleRow(sampled_at=120)])
    both_hold_one = threading.Barrier(2)

    def change(order: tuple[int, int]) -> int:
        attempts = []

        def work(db: Any) -> None:
            attempts.append(1)
            for tick in order:
                db.execute(f"UPDATE sample SET home_power_w = COALESCE(home_power_w, 0) + 1 WHERE sampled_at = {tick}")
                if len(attempts) == 1 and tick == order[0]:
                    both_hold_one.wait(10)

        store.run(work)
        return len(attempts)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change, [(60, 120), (120, 60)])) == [1, 2]
    assert [row.home_power_w for row in samples.between(store, 0, 1000, 10)] == [2, 2]


def test_server_that_is_down_at_first_and_later(own_mariadb: servers.Mariadb) -> None:
    """Opening never fails; each use says that it is away; it works again with the first try after the start."""
    own_mariadb.stop()
    store = open_store(own_mariadb.url)
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as caught:
            store.ping()
        assert "p@ss" not in str(caught.value.detail)
    own_mariadb.start()
    samples.insert(store, [SampleRow(sampled_at=60)])
    own_mariadb.stop()
    with pytest.raises(StoreUnavailable):
        samples.insert(store, [SampleRow(sampled_at=120)])
    own_mariadb.start()
    assert ticks(store) == [60]
    store.close()


def test_wrong_password_and_missing_database_may_be_repaired(mariadb_url: str) -> None:
    """Both are the operator's to repair while we run, so they count as away."""
    for url in (mariadb_url.replace("p%40ss", "wrong"), mariadb_url + "_missing"):
        with pytest.raises(StoreUnavailable):
            open_store(url).ping()
