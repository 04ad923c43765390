"""The store keeps the same promises on SQLite and on a real MariaDB."""

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from common.errors import FieldError, StoreUnavailable
from common.store import samples, users
from common.store.bind import SITE, Store, open_store
from common.store.errors import SchemaTooNew, StoreConflict, StoreError, UserExists, UserUnknown
from common.store.location import parse_location
from common.store.migrate import migrate
from common.store.rows import ChargePointSampleRow, SampleRow, UserRow

FULL = SampleRow(
    sampled_at=2_000_000_040,
    grid_power_w=-3120,
    grid_imported_wh=8_123_456_789,
    grid_exported_wh=0,
    pv_power_w=5400,
    pv_produced_wh=15_234_870,
    battery_power_w=-350,
    battery_soc_percent=64,
    battery_charged_wh=2_210_034,
    battery_discharged_wh=1_910_034,
    home_power_w=412,
    charge_points=(
        ChargePointSampleRow(
            charge_point="1",
            power_w=11_040,
            meter_wh=2_310_482,
            soc_percent=57,
            is_plugged=True,
            is_charging=False,
            current_a=6.5,
        ),
        ChargePointSampleRow(charge_point="2"),
    ),
)


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


def minutes(first: int, count: int) -> list[SampleRow]:
    """`count` samples from tick number `first` on."""
    return [SampleRow(sampled_at=60 * tick, home_power_w=tick) for tick in range(first, first + count)]


def add_anna(store: Store) -> UserRow:
    return users.add(store, name="Anna", password_hash="$argon2id$…", role="admin", created_at=1_800_000_000)


class TestSamples:
    def test_come_back_as_they_went_in(self, store: Store) -> None:
        """Each value, each None and both charge points survive, with their types."""
        silent = SampleRow(sampled_at=FULL.sampled_at + 60)
        samples.insert(store, [FULL, silent])
        assert samples.between(store, 0, 3_000_000_000, 10) == [FULL, silent]

    def test_instants_after_2038_fit(self, store: Store) -> None:
        late = SampleRow(sampled_at=2**32 + 60)
        samples.insert(store, [late])
        assert samples.between(store, 2**32, 2**33, 10) == [late]

    def test_period_is_half_open_ordered_and_limited(self, store: Store) -> None:
        """from ≤ sampled_at < to, oldest first whatever the order of arrival, no more than asked for."""
        rows = minutes(1, 10)
        samples.insert(store, rows[5:])
        samples.insert(store, rows[:5])
        assert samples.between(store, 60, 600, 100) == rows[:9]
        assert samples.between(store, 61, 601, 3) == rows[1:4]
        assert samples.between(store, 601, 100_000, 3) == []

    def test_second_delivery_changes_nothing(self, store: Store) -> None:
        """A tick that is there stays as it was first recorded, its charge points too."""
        samples.insert(store, [FULL])
        samples.insert(store, [FULL, SampleRow(sampled_at=FULL.sampled_at, grid_power_w=1), *minutes(1, 1)])
        assert samples.between(store, 0, 3_000_000_000, 10) == [*minutes(1, 1), FULL]

    def test_nothing_to_insert_needs_no_database(self) -> None:
        samples.insert(open_store("mysql://nobody@127.0.0.1:1/none"), [])

    def test_a_batch_is_stored_whole_or_not_at_all(self, store: Store) -> None:
        """A row that the database refuses takes the rows before it along."""
        nameless = ChargePointSampleRow(charge_point=None)  # type: ignore[arg-type]
        with pytest.raises(StoreError) as caught:
            samples.insert(store, [*minutes(1, 3), SampleRow(sampled_at=240, charge_points=(nameless,))])
        assert not caught.value.is_retryable
        assert samples.between(store, 0, 10_000, 10) == []


class TestUsers:
    def test_added_user_is_found_in_any_case(self, store: Store) -> None:
        """The name is kept as written; ä and Ä are one letter on both databases."""
        added = users.add(store, name="Jürgen 🚗", password_hash="h", role="driver", created_at=7)
        assert added == UserRow(
            id=1,
            name="Jürgen 🚗",
            role="driver",
            password_hash="h",
            created_at=7,
            is_disabled=False,
            totp_secret=None,
            totp_last_step=None,
        )
        assert users.get(store, " JÜRGEN 🚗") == added
        assert users.get(store, "Jurgen 🚗") is None

    def test_a_user_may_be_disabled_from_the_first_moment(self, store: Store) -> None:
        """Also an admin where there is no other: an import brings people who cannot log in yet."""
        added = users.add(store, name="Anna", password_hash="h", role="admin", created_at=7, is_disabled=True)
        assert added.is_disabled
        assert users.list_all(store) == [added]

    def test_name_is_taken_once(self, store: Store) -> None:
        add_anna(store)
        with pytest.raises(UserExists, match="ANNA"):
            users.add(store, name="ANNA", password_hash="h", role="viewer", created_at=1)
        assert [user.name for user in users.list_all(store)] == ["Anna"]

    def test_list_is_in_order_of_names(self, store: Store) -> None:
        for name in ("bert", "Anna", "Ömer", "Zoe"):
            users.add(store, name=name, password_hash="h", role="viewer", created_at=1)
        assert [user.name for user in users.list_all(store)] == ["Anna", "bert", "Ömer", "Zoe"]

    @pytest.mark.parametrize("name", ["", "   ", "x" * 65, "\ufdfa" * 64, "a\x00b", "a\nb", "\ud800"])
    def test_name_that_cannot_be_is_named_and_never_found(self, store: Store, name: str) -> None:
        with pytest.raises(FieldError) as caught:
            users.add(store, name=name, password_hash="h", role="viewer", created_at=1)
        assert set(caught.value.faults) == {"name"}
        assert users.get(store, name) is None
        assert not users.accept_totp_step(store, name, 1)
        with pytest.raises(UserUnknown):
            users.set_disabled(store, name, True)

    def test_changes_are_kept(self, store: Store) -> None:
        add_anna(store)
        users.add(store, name="Bert", password_hash="h", role="admin", created_at=1)  # the last admin may not go
        users.set_password_hash(store, "anna", "new")
        users.set_disabled(store, "anna", True)
        users.set_totp_secret(store, "anna", "SECRET")
        anna = users.get(store, "anna")
        assert anna is not None
        assert (anna.password_hash, anna.is_disabled, anna.totp_secret) == ("new", True, "SECRET")

    def test_setting_what_is_set_already_is_no_error(self, store: Store) -> None:
        add_anna(store)
        users.set_disabled(store, "anna", False)
        users.set_disabled(store, "anna", False)

    def test_unknown_user_is_named(self, store: Store) -> None:
        assert users.get(store, "nobody") is None
        with pytest.raises(UserUnknown, match="nobody"):
            users.set_disabled(store, "nobody", True)

    def test_each_totp_step_is_accepted_once(self, store: Store) -> None:
        """Older and equal steps are refused; without a secret nothing is accepted; a new secret starts over."""
        add_anna(store)
        assert not users.accept_totp_step(store, "anna", 5)
        users.set_totp_secret(store, "anna", "SECRET")
        assert [users.accept_totp_step(store, "ANNA", step) for step in (5, 5, 4, 6)] == [True, False, False, True]
        users.set_totp_secret(store, "anna", "OTHER")
        assert users.accept_totp_step(store, "anna", 6)
        assert not users.accept_totp_step(store, "nobody", 6)

    def test_one_of_many_wins_a_totp_step(self, store: Store, url: str) -> None:
        """Two stores, as two processes have them, with four threads each."""
        add_anna(store)
        users.set_totp_secret(store, "anna", "SECRET")
        other = open_store(url)
        start = threading.Barrier(8)

        def attempt(number: int) -> bool:
            start.wait(10)
            return users.accept_totp_step((store, other)[number % 2], "anna", 9)

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(attempt, range(8))) == [False] * 7 + [True]
        other.close()


class TestUnits:
    def test_what_a_unit_raises_rolls_it_back(self, store: Store) -> None:
        def work(db: Any) -> None:
            db.execute("INSERT INTO sample (sampled_at) VALUES (60)")
            raise LookupError

        with pytest.raises(LookupError):
            store.run(work)
        assert samples.between(store, 0, 100, 10) == []

    def test_a_unit_inside_a_unit_is_refused(self, store: Store) -> None:
        with pytest.raises(RuntimeError, match="another"):
            store.run(lambda db: store.ping())

    def test_two_of_one_key_in_one_unit_conflict(self, store: Store) -> None:
        def work(db: Any) -> None:
            for _ in range(2):
                db.execute("INSERT INTO sample (sampled_at) VALUES (60)")

        with pytest.raises(StoreConflict):
            store.run(work)

    def test_threads_work_side_by_side(self, store: Store) -> None:
        """Twelve threads that insert and read lose nothing and get in nobody's way."""

        def work(number: int) -> int:
            samples.insert(store, minutes(100 * number, 20))
            return len(samples.between(store, 6000 * number, 6000 * number + 6000, 100))

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(work, range(12))) == [20] * 12
        assert len(samples.between(store, 0, 100_000, 1000)) == 240

    def test_closed_store_is_unavailable(self, store: Store) -> None:
        store.ping()
        store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            store.ping()


def test_file_is_for_nobody_else(sqlite_url: str) -> None:
    """It holds password hashes and TOTP secrets; so do the files that SQLite keeps beside it."""
    store = open_store(sqlite_url)
    add_anna(store)
    files = list(Path(sqlite_url.removeprefix("sqlite://")).parent.glob("store.sqlite*"))
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert len(files) == 3, "SQLite is in WAL mode: readers do not wait for the recorder"
    store.close()


def open_and_ping(url: str) -> None:
    store = open_store(url)
    store.ping()
    store.close()


class TestMigrations:
    def test_run_again_changes_nothing(self, store: Store, url: str) -> None:
        add_anna(store)
        assert migrate(parse_location(url), SITE.migrations) == migrate(parse_location(url), SITE.migrations)
        assert users.get(store, "anna") is not None

    def test_several_processes_may_start_together(self, url: str) -> None:
        """Edge and api start at the same moment on an empty database."""
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=open_and_ping, args=(url,)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(30)
        assert [process.exitcode for process in processes] == [0, 0, 0]

    def test_goes_on_after_a_failure_in_the_middle(self, store: Store, url: str) -> None:
        """MariaDB commits each DDL statement: tables without their version number must not stop the next run."""
        add_anna(store)
        store.run(lambda db: db.execute("DELETE FROM schema_version"))
        again = open_store(url)
        assert users.get(again, "anna") is not None
        again.close()

    def test_database_of_a_newer_program_is_left_alone(self, store: Store, url: str) -> None:
        store.run(lambda db: db.execute("INSERT INTO schema_version VALUES (999, 0)"))
        with pytest.raises(SchemaTooNew, match=r"schema 999.*update") as caught:
            open_store(url).ping()
        assert caught.value.code == "schema_too_new"
