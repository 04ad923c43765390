"""Users, devices, second factors and the audit keep their promises on SQLite and on a real MariaDB."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from common.errors import AppError, FieldError
from common.security import refresh_tokens
from common.store import audit, devices, pseudonyms, second_factor, setup, users
from common.store.bind import SITE, Store, open_store
from common.store.errors import LastAdmin, SetupClosed, TokensFull, UserExists, UserUnknown
from common.store.location import Dialect
from common.store.migrate import migrations, statements
from common.store.rows_people import AuditFilter, AuditRow, DeviceRow, Kind, Rotation

T = TypeVar("T")
NOW = 1_800_000_000


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = open_store(str(request.getfixturevalue(f"{request.param}_url")))
    yield store
    store.close()


def add(store: Store, name: str, role: str = "driver", **more: Any) -> int:
    return users.add(store, name=name, password_hash="h", role=role, created_at=NOW, **more).id


def device(user_id: int, name: str = "phone", *, kind: Kind = Kind.APP, **more: Any) -> DeviceRow:
    values = {"scopes": (), "created_at": NOW, "expires_at": NOW + 100, "seen_at": NOW, "seen_from": "192.0.2.1"}
    return DeviceRow(**{"id": name, "user_id": user_id, "kind": kind, "name": name, **values, **more})


def derived(text: str) -> bytes:
    """As the site's key makes it."""
    return hashlib.sha256(text.encode()).digest()


def together(*works: Callable[[], T]) -> list[T | AppError]:
    """What each of them returned or raised, begun at the same moment."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T | AppError:
        start.wait(10)
        try:
            return work()
        except AppError as exc:
            return exc

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


class TestUsers:
    def test_limits_come_back_and_go(self, store: Store) -> None:
        """None is not limited; a change says what was before and what is now."""
        add(store, "Anna", charge_points=["2", "1", "1"])
        assert users.change(store, "anna", charge_points=["2", "3"])[1].charge_points == ("2", "3")
        before, after = users.change(store, "anna", charge_points=None, role="viewer")
        assert (before.charge_points, after.charge_points) == (("2", "3"), None)
        assert (before.user.role, after.user.role) == ("driver", "viewer")
        assert [account.charge_points for account in users.list_accounts(store)] == [None]

    @pytest.mark.parametrize("change", [{"role": "driver"}, {"is_disabled": True}, None])
    def test_the_last_admin_stays(self, store: Store, change: dict[str, Any] | None) -> None:
        """Whoever is disabled does not count as another one; nothing of the change is kept."""
        add(store, "Anna", "admin")
        add(store, "Bert", "admin")
        users.set_disabled(store, "Bert", True)
        with pytest.raises(LastAdmin):
            users.remove(store, "Anna", NOW) if change is None else users.change(store, "Anna", **change)
        anna = users.get(store, "Anna")
        assert anna is not None
        assert (anna.role, anna.is_disabled) == ("admin", False)
        users.remove(store, "Bert", NOW)

    def test_of_two_admins_who_remove_each_other_one_stays(self, store: Store) -> None:
        """At the same moment; the one who is told no, or that the database is busy, may ask again."""
        add(store, "Anna", "admin")
        add(store, "Bert", "admin")
        together(lambda: users.remove(store, "Anna", NOW), lambda: users.remove(store, "Bert", NOW))
        assert len(users.list_all(store)) >= 1

    @pytest.mark.parametrize("taken", ["ANNA", "\u0410nn\u0430", "\uff21nna", "  anna "])
    def test_names_that_read_alike_are_one(self, store: Store, taken: str) -> None:
        """Cyrillic letters among Latin ones are refused before; full width is NFKC."""
        add(store, "Anna")
        with pytest.raises((UserExists, FieldError)):
            add(store, taken)

    def test_names_of_another_script_that_look_like_a_taken_one(self, store: Store) -> None:
        """All Cyrillic, and yet it reads like the Latin name."""
        add(store, "coca")
        with pytest.raises(UserExists):
            add(store, "\u0441\u043e\u0441\u0430")

    def test_a_deleted_users_name_is_nobodys_until_it_left_the_sessions(self, store: Store) -> None:
        """Or the next Anna would own the sessions of the first one."""
        user_id = add(store, "J\u00fcrgen")

        def charged(db: Any) -> None:
            session = db.ChargeSession(
                charge_point="1", started_at=NOW, charging_s=0, origin="recorded", user_name="J\u00fcrgen", tag="04A1"
            )
            session.flush()
            for field, old in (("user_name", '"J\\u00fcrgen"'), ("user_name", '"J\u00fcrgen"'), ("tag", '"04A1"')):
                db.SessionCorrection(
                    session_id=session.id,
                    corrected_at=NOW,
                    corrected_by="J\u00fcrgen",
                    field=field,
                    old_value=old,
                    new_value="null",
                    reason="x",
                )

        store.run(charged)
        devices.add(store, device(user_id))
        users.remove(store, "j\u00fcrgen", NOW)
        assert devices.active(store, "phone", NOW) is None
        with pytest.raises(UserExists, match="pseudonymise"):
            add(store, "J\u00dcRGEN")
        assert pseudonyms.give(store, "J\u00dcRGEN") == f"former user {user_id}"
        assert pseudonyms.give(store, "J\u00dcRGEN") is None

        def texts(db: Any) -> set[str]:
            found = db.select("SELECT user_name FROM charge_session UNION SELECT tag FROM charge_session")
            fixed = db.select(
                "SELECT corrected_by FROM session_correction UNION SELECT old_value FROM session_correction"
            )
            return {str(text) for text in [*found, *fixed]}

        assert store.run(texts) == {"None", "null", f"former user {user_id}", f'"former user {user_id}"'}
        add(store, "J\u00fcrgen")


class TestDevices:
    def test_a_device_is_active_as_long_as_it_may_be(self, store: Store) -> None:
        """Not after its end, and not while its user is disabled; the user's limits come along."""
        user_id = add(store, "Anna", charge_points=["2"])
        devices.add(store, device(user_id))
        found = devices.active(store, "phone", NOW + 99)
        assert found is not None
        assert (found.user.name, found.charge_points, found.device.name) == ("Anna", ("2",), "phone")
        assert devices.active(store, "phone", NOW + 100) is None
        assert devices.active(store, "PHONE", NOW) is None
        users.set_disabled(store, "Anna", True)
        assert devices.active(store, "phone", NOW) is None

    def test_each_refresh_token_counts_once(self, store: Store) -> None:
        """Of many callers with the same one, one gets the next; then the whole family is gone."""
        user_id = add(store, "Anna")
        first = refresh_tokens.new()
        devices.add(store, device(user_id, family_hash=first.family_hash, refresh_hash=first.token_hash))

        def rotate(
            old: refresh_tokens.RefreshToken, new: refresh_tokens.RefreshToken, proof: str = "p", after_s: int = 5
        ) -> Rotation:
            return devices.rotate(
                store,
                family_hash=old.family_hash,
                old_hash=old.token_hash,
                new_hash=new.token_hash,
                now=NOW + after_s,
                lasts_s=1000,
                proof=proof,
            )

        second = first.next(derived)
        rotated = rotate(first, second)
        assert rotated.active is not None
        assert not rotated.was_reused
        found = devices.active(store, "phone", NOW + 500)
        assert found is not None, "its end moved on"
        third = second.next(derived)
        devices_of_four = iter("abcd")
        outcomes = together(*[lambda: rotate(second, third, next(devices_of_four))] * 4)
        results = [outcome for outcome in outcomes if isinstance(outcome, Rotation)]
        assert sum(1 for result in results if result.active is not None and not result.was_reused) <= 1
        assert any(result.was_reused for result in results)
        assert devices.active(store, "phone", NOW) is None
        assert rotate(second, third).active is None, "an unknown family is nobody's"

    def test_a_lost_answer_is_told_again_to_the_same_device_for_a_while(self, store: Store) -> None:
        """Twice at once and later, always the same next token; then its use, another device, or time ends that."""
        user_id = add(store, "Anna")
        first = refresh_tokens.new()
        second = first.next(derived)
        third = second.next(derived)

        def begun(name: str) -> None:
            row = device(user_id, name, family_hash=first.family_hash, refresh_hash=first.token_hash)
            devices.add(store, row)

        def rotate(old: Any, new: Any, proof: str, after_s: int = 0) -> Rotation:
            return devices.rotate(
                store,
                family_hash=old.family_hash,
                old_hash=old.token_hash,
                new_hash=new.token_hash,
                now=NOW + after_s,
                lasts_s=1000,
                proof=proof,
            )

        ends: tuple[Callable[[], Rotation], ...] = (
            lambda: (rotate(second, third, "p"), rotate(first, second, "p"))[1],
            lambda: rotate(first, second, "q"),
            lambda: rotate(first, second, "p", devices.REPEAT_S + 1),
            lambda: rotate(first, first.next(lambda _: bytes(32)), "p"),
        )
        for ends_by in ends:
            begun("phone")
            at_once = together(*[lambda: rotate(first, second, "p")] * 4)
            outcomes = [outcome for outcome in at_once if isinstance(outcome, Rotation)]
            assert len(outcomes) == 4
            assert sorted(outcome.was_repeated for outcome in outcomes) == [False, True, True, True]
            assert rotate(first, second, "p", devices.REPEAT_S).was_repeated
            assert ends_by().was_reused
            assert devices.active(store, "phone", NOW) is None

    def test_tokens_that_were_made_for_longer_end_within_a_year(self, store: Store) -> None:
        """By the migration, which changes no login."""
        user_id, ten_years = add(store, "Anna"), NOW + 10 * 365 * 86_400
        made = (("old", Kind.API, ten_years), ("short", Kind.API, NOW + 5), ("phone", Kind.APP, ten_years))
        for name, kind, ends in made:
            devices.add(store, device(user_id, name, kind=kind, expires_at=ends))
        (update,) = [text for text in statements(migrations(SITE.migrations)[7], Dialect.SQLITE) if "UPDATE" in text]
        store.run(lambda db: db.execute(update))
        found = {row.id: row.expires_at for row in devices.of_user(store, user_id, NOW)}
        assert found == {"old": NOW + 365 * 86_400, "short": NOW + 5, "phone": ten_years}

    def test_what_a_login_minted_goes_with_it_on_wish(self, store: Store) -> None:
        """All of it, also what hangs by one that logged out; not what others minted, nor what stands above."""
        user_id = add(store, "Anna")
        family = (("a", None), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "a"), ("f", None), ("g", "f"))
        for name, minted_by in family:
            kind = Kind.API if name == "d" else Kind.PAIRED
            devices.add(store, device(user_id, name, minted_by=minted_by, kind=kind))
        assert devices.revoke(store, user_id, "c") == ("c",)
        found = {row.id: row.minted_by for row in devices.of_user(store, user_id, NOW)}
        assert found == {"a": None, "b": "a", "d": "b", "e": "a", "f": None, "g": "f"}
        assert devices.revoke(store, user_id + 1, "a", with_minted=True) == ()
        assert set(devices.revoke(store, user_id, "b", with_minted=True)) == {"b", "d"}
        assert set(devices.revoke(store, user_id, "a", with_minted=True)) == {"a", "e"}
        assert devices.revoke_all(store, user_id, but="g") == ("f",)
        assert [row.minted_by for row in devices.of_user(store, user_id, NOW)] == [None]

    def test_logins_are_bounded_and_scripts_push_out_scripts(self, store: Store) -> None:
        """What was refreshed once stays longer than what never came back; API tokens are refused, never dropped."""
        user_id = add(store, "Anna")
        devices.add(store, device(user_id, "in use", refreshed_at=NOW, seen_at=NOW - 50))
        for number in range(devices.MOST_LOGINS - 1):
            assert devices.add(store, device(user_id, f"script {number}", seen_at=NOW + number)) == ()
        assert devices.add(store, device(user_id, "one more")) == ("script 0",)
        assert devices.active(store, "in use", NOW) is not None
        for number in range(devices.MOST_API_TOKENS):
            devices.add(store, device(user_id, f"token {number}", kind=Kind.API))
        with pytest.raises(TokensFull):
            devices.add(store, device(user_id, "token", kind=Kind.API))

    def test_nobody_reaches_anothers_device(self, store: Store) -> None:
        """By its id alone."""
        anna, bert = add(store, "Anna"), add(store, "Bert")
        devices.add(store, device(anna))
        assert devices.rename(store, bert, "phone", "mine") is None
        assert devices.revoke(store, bert, "phone") == ()
        assert devices.of_user(store, bert, NOW) == []
        renamed = devices.rename(store, anna, "phone", "new")
        assert renamed is not None
        assert renamed.name == "new"
        devices.add(store, device(anna, "other"))
        assert devices.revoke_all(store, anna, but="phone") == ("other",)
        assert devices.revoke(store, anna, "phone") == ("phone",)
        devices.seen(store, "phone", NOW, "192.0.2.2")


class TestSecondFactor:
    def test_an_enrolment_waits_for_its_code(self, store: Store) -> None:
        """The newest alone, for a quarter of an hour; the confirmed one cannot be replaced, and its step is used."""
        user_id = add(store, "Anna")
        assert second_factor.begin(store, "anna", "OLD", NOW)
        assert second_factor.begin(store, "anna", "NEW", NOW)
        assert second_factor.waiting(store, user_id, NOW + second_factor.ENROLMENT_LASTS_S) is None
        assert second_factor.waiting(store, user_id, NOW + 1) == "NEW"
        assert not second_factor.confirm(store, "anna", "OLD", 7, ["a"])
        assert second_factor.confirm(store, "anna", "NEW", 7, ["a", "b"])
        assert not second_factor.begin(store, "anna", "OTHER", NOW)
        assert not users.accept_totp_step(store, "anna", 7)
        assert users.accept_totp_step(store, "anna", 8)

    def test_a_recovery_code_counts_once(self, store: Store) -> None:
        """Of many callers one wins; new ones replace all; a second factor that is taken away takes them along."""
        user_id, other = add(store, "Anna"), add(store, "Bert")
        second_factor.replace_codes(store, "Anna", ["a", "b"])
        assert not second_factor.use_code(store, other, "a")
        assert sorted(map(str, together(*[lambda: second_factor.use_code(store, user_id, "a")] * 4))) == [
            "False",
            "False",
            "False",
            "True",
        ]
        second_factor.replace_codes(store, "Anna", ["c"])
        assert second_factor.codes_left(store, user_id) == 1
        users.set_totp_secret(store, "Anna", None)
        assert second_factor.codes_left(store, user_id) == 0


class TestSetup:
    def test_a_link_makes_one_admin(self, store: Store) -> None:
        """Not an old one, not a wrong one, not twice, and none is made once there is a user."""
        setup.put_link(store, "first", NOW + 10)
        setup.put_link(store, "second", NOW + 10)
        assert setup.is_open(store)
        for secret_hash, now in (("first", NOW), ("wrong", NOW), ("second", NOW + 10)):
            with pytest.raises(SetupClosed):
                setup.redeem(store, secret_hash=secret_hash, name="Anna", password_hash="h", now=now)
        anna = setup.redeem(store, secret_hash="second", name="Anna", password_hash="h", now=NOW)
        assert anna.role == "admin"
        for again in (
            lambda: setup.redeem(store, secret_hash="second", name="Bert", password_hash="h", now=NOW),
            lambda: setup.put_link(store, "third", NOW + 10),
        ):
            with pytest.raises(SetupClosed):
                again()
        assert not setup.is_open(store)


class TestAudit:
    def test_entries_are_found_newest_first_and_filtered(self, store: Store) -> None:
        """Page by page, by everything that can be asked for."""
        audit.append(store, [])
        audit.append(store, [entry(at) for at in range(5)])
        audit.append(
            store, [entry(5, user_name="Bert", action="command", result="confirmed", old_value='"\U0001f697"')]
        )
        assert [row.happened_at for row in audit.find(store, AuditFilter(), 3)] == [5, 4, 3]
        third = audit.find(store, AuditFilter(), 3)[-1].id
        assert [row.happened_at for row in audit.find(store, AuditFilter(before_id=third), 9)] == [2, 1, 0]
        assert [row.happened_at for row in audit.find(store, AuditFilter(from_s=1, to_s=3), 9)] == [2, 1]
        for wanted in (AuditFilter(user_name="Bert"), AuditFilter(action="command"), AuditFilter(result="confirmed")):
            (found,) = audit.find(store, wanted, 9)
            assert found.old_value == '"\U0001f697"'

    def test_what_is_too_old_goes_bit_by_bit(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """And nothing else."""
        monkeypatch.setattr(audit, "PURGED_AT_ONCE", 2)
        audit.append(store, [entry(at) for at in range(5)])
        assert [audit.purge(store, 3), audit.purge(store, 3)] == [True, False]
        assert [row.happened_at for row in audit.find(store, AuditFilter(), 9)] == [4, 3]


def entry(at: int, **more: Any) -> AuditRow:
    values: dict[str, Any] = {
        "happened_at": at,
        "user_name": "Anna",
        "device_id": None,
        "device_name": None,
        "origin": "lan",
        "address": "192.0.2.1",
        "action": "login",
        "subject": None,
        "old_value": None,
        "new_value": None,
        "result": "ok",
    }
    return AuditRow(**{**values, **more})


def test_whom_nobody_knows(store: Store) -> None:
    """Has no account to be changed."""
    for work in (
        lambda: users.change(store, "nobody", role="admin"),
        lambda: users.remove(store, "nobody", NOW),
        lambda: second_factor.begin(store, "nobody", "S", NOW),
    ):
        with pytest.raises(UserUnknown):
            work()
