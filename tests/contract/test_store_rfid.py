"""Tags, presets and scans in the store, alike on SQLite and on a real MariaDB."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from common.errors import AppError, FieldError
from common.profiles import Owner, Profile, learnt_by
from common.store import profiles, pseudonyms, scans, tags, users
from common.store.bind import Store, open_store
from common.store.errors import LastAdmin, LearningBusy, ProfileUnknown, TagTaken, UserUnknown
from common.store.rows import ScanCommand, ScanFilter, ScanRow

NOW = 1_800_000_000
PRESET = Profile(name="Nacht 🌙", user="Jürgen", wishes={"mode": "pv", "limit": {"type": "energy", "energy_wh": 5000}})


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """With two drivers."""
    store = open_store(str(request.getfixturevalue(f"{request.param}_url")))
    for name in ("Jürgen", "Berta"):
        users.add(store, name=name, password_hash="-", role="driver", created_at=NOW)
    yield store
    store.close()


def test_a_tag_has_one_owner_in_any_spelling(store: Store) -> None:
    """And only its owner can give it away."""
    added = tags.add(store, "JÜRGEN", "0004a376A2", "Schlüssel", NOW)
    assert tags.of_user(store, "jürgen") == [added]
    assert added.tag == "0004a376A2"
    assert tags.owner_of(store, "0004A376a2") == "Jürgen"
    assert tags.owner_of(store, "4A376A2") is None
    with pytest.raises(TagTaken):
        tags.add(store, "Berta", "0004A376A2", None, NOW)
    assert not tags.remove(store, "Berta", "0004A376A2")
    assert tags.remove(store, "Jürgen", "0004A376A2")
    assert tags.owner_of(store, "0004A376A2") is None
    for work in (tags.of_user, tags.learning):
        with pytest.raises(UserUnknown):
            work(store, "nobody")


def test_of_several_at_once_one_gets_the_tag(store: Store) -> None:
    """Whatever the threads; the others are told."""

    def add(number: int) -> bool:
        try:
            tags.add(store, "Jürgen" if number % 2 else "Berta", "00C0FFEE", None, NOW)
        except TagTaken:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(add, range(6))) == 1


def test_a_user_has_so_many_tags_and_presets(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """And then no more, also by learning one."""
    monkeypatch.setattr(tags, "MOST_TAGS", 2)
    monkeypatch.setattr(profiles, "MOST_PROFILES", 2)
    for number in range(2):
        tags.add(store, "Berta", f"B{number}", None, NOW)
        profiles.save(store, replace(PRESET, user="Berta"))
    with pytest.raises(FieldError):
        tags.add(store, "Berta", "B3", None, NOW)
    with pytest.raises(FieldError):
        profiles.save(store, replace(PRESET, user="Berta"))
    tags.wait_for_card(store, "Berta", None, NOW)
    assert tags.learn(store, "B3", NOW) is None


def test_one_learns_at_a_time_and_one_card(store: Store) -> None:
    """Of several cards at once too."""
    tags.wait_for_card(store, "Jürgen", "blau", NOW)
    with pytest.raises(LearningBusy):
        tags.wait_for_card(store, "Berta", None, NOW + tags.LEARNING_S - 1)
    with ThreadPoolExecutor(4) as pool:
        learners = list(pool.map(lambda number: tags.learn(store, f"C{number}", NOW + 5), range(4)))
    assert sorted(learners, key=str) == ["Jürgen", None, None, None]
    learning = tags.learning(store, "Jürgen")
    assert learning is not None
    assert learning.tag is not None
    assert tags.owner_of(store, learning.tag) == "Jürgen"
    assert tags.wait_for_card(store, "Berta", None, NOW + 6).ends_at == NOW + 6 + tags.LEARNING_S
    assert tags.learning(store, "Jürgen") is None
    assert tags.learn(store, "C9", NOW + 6 + tags.LEARNING_S) is None


def test_presets_come_back_as_they_went_in(store: Store) -> None:
    """All of them, and none for somebody else's tag."""
    tags.add(store, "Jürgen", "00a1", None, NOW)
    with pytest.raises(FieldError):
        profiles.save(store, replace(PRESET, user="Berta", tag="00A1"))
    with pytest.raises(UserUnknown):
        profiles.save(store, replace(PRESET, user="nobody"))
    full = replace(
        PRESET,
        tag="00A1",
        charge_point="3",
        weekdays=(0, 6),
        from_minute=0,
        until_minute=1439,
        expires_at=NOW,
        restores=False,
        is_enabled=False,
    )
    saved = profiles.save(store, full)
    assert saved == replace(full, id=saved.id, tag="00a1")
    assert profiles.book(store).profiles == [saved]
    assert profiles.book(store).owners == {"00A1": Owner("Jürgen", "driver", False)}
    users.change(store, "jürgen", charge_points=["3", "1"])
    assert profiles.book(store).owners == {"00A1": Owner("Jürgen", "driver", False, ("1", "3"))}
    changed = profiles.save(store, replace(PRESET, id=saved.id))
    assert profiles.list_all(store, "jürgen") == [changed]
    assert profiles.list_all(store, "Berta") == []
    assert saved.id is not None
    assert profiles.remove(store, saved.id)
    assert not profiles.remove(store, saved.id)
    with pytest.raises(ProfileUnknown):
        profiles.save(store, changed)


def test_scans_are_stored_once_and_then_changed(store: Store) -> None:
    """However often they are delivered; whose tag it was then, and of nobody's the end only, stay."""
    tags.add(store, "Jürgen", "00A1", None, NOW)
    known = ScanRow(key="a" * 32, scanned_at=NOW, tag="00a1", charge_point=None, outcome="applying")
    strange = ScanRow(key="b" * 32, scanned_at=NOW + 1, tag="0815FF", charge_point="1", outcome="unknown")
    for _ in range(2):
        scans.save(store, [known, strange])
    tags.add(store, "Berta", "0815FF", None, NOW)
    made = (ScanCommand("c" * 32, "apply", "confirmed"),)
    later = replace(known, charge_point="1", outcome="applied", detail="d" * 2000, profile="Nacht", commands=made)
    scans.save(store, [later, strange])
    newest, oldest = scans.find(store, ScanFilter(), 10)
    assert (newest.tag, newest.user, newest.outcome) == ("…FF", None, "unknown")
    assert oldest == replace(later, id=oldest.id, user="Jürgen", detail="d" * scans.LONGEST_DETAIL)
    assert scans.find(store, ScanFilter(user="JÜRGEN"), 10) == [oldest]
    assert scans.find(store, ScanFilter(user="nobody"), 10) == []
    assert scans.find(store, ScanFilter(outcome="unknown", charge_point="1", from_s=NOW + 1, to_s=NOW + 2), 1) == [
        newest
    ]
    assert newest.id is not None
    assert scans.find(store, ScanFilter(before=(NOW + 1, newest.id)), 10) == [oldest]
    assert scans.find(store, ScanFilter(to_s=NOW), 10) == []


def test_a_deleted_user_leaves_no_cards(store: Store) -> None:
    """Nor profiles, nor a card that they waited for; others keep theirs, and the tag is free."""
    for name, tag in (("Jürgen", "00A1"), ("Berta", "00B1")):
        tags.add(store, name, tag, None, NOW)
        profiles.save(store, replace(PRESET, user=name, tag=tag))
    tags.wait_for_card(store, "Jürgen", None, NOW)
    users.remove(store, "jürgen", NOW)
    left = store.run(
        lambda db: {str(one) for one in db.select("SELECT tag FROM tag UNION SELECT tag_key FROM profile")}
    )
    assert left == {"00B1"}
    assert store.run(lambda db: db.TagLearning.select().count()) == 0
    assert tags.learn(store, "00A1", NOW + 1) is None
    assert tags.add(store, "Berta", "00A1", None, NOW).tag == "00A1"


def test_a_user_who_cannot_be_deleted_keeps_everything(store: Store) -> None:
    """All of it is one unit."""
    users.add(store, name="Chef", password_hash="-", role="admin", created_at=NOW)
    tags.add(store, "Chef", "00A1", None, NOW)
    saved = profiles.save(store, replace(PRESET, user="Chef"))
    tags.wait_for_card(store, "Chef", None, NOW)
    with pytest.raises(LastAdmin):
        users.remove(store, "Chef", NOW)
    assert tags.owner_of(store, "00A1") == "Chef"
    assert profiles.list_all(store, "Chef") == [saved]
    assert tags.learning(store, "Chef") is not None


def test_scans_of_a_deleted_user_lose_the_name_with_the_sessions(store: Store) -> None:
    """Name, tag, profile and the words that repeat them; also when the edge tells of one of them once more."""
    learnt = ScanRow(key="0" * 32, scanned_at=NOW, tag="00a1", charge_point="1", outcome="learned")
    scans.save(store, [learnt])  # before it was anybody's
    tags.add(store, "Jürgen", "00A1", None, NOW)
    words = learnt_by("Jürgen")
    used = replace(learnt, key="1" * 32, scanned_at=NOW + 1, outcome="applied", profile="Jürgens", detail="Jürgens: x")
    tags.add(store, "Berta", "00B1", None, NOW)
    others = replace(used, key="2" * 32, scanned_at=NOW + 2, tag="00b1", profile="Nacht")
    scans.save(store, [replace(learnt, detail=words), used, others])
    users.remove(store, "Jürgen", NOW)
    assert [(scan.user, scan.tag) for scan in scans.find(store, ScanFilter(user="jürgen"), 9)] == [("Jürgen", "00a1")]
    pseudonym = pseudonyms.give(store, "Jürgen")
    scans.save(store, [replace(used, outcome="restored")])
    assert scans.find(store, ScanFilter(user="Jürgen"), 9) == []
    berta, former, first = scans.find(store, ScanFilter(), 9)
    assert (berta.user, berta.tag, berta.profile) == ("Berta", "00b1", "Nacht")
    assert (former.user, former.tag, former.profile, former.detail) == (pseudonym, "…a1", None, None)
    assert former.outcome == "restored"
    assert (first.user, first.tag, first.detail) == (None, "…a1", None)


def test_hostile_names_are_nobody(store: Store) -> None:
    """Whatever stands in a path."""
    for name in ("", "\x00", "x" * 1000, "' OR 1=1 --"):
        for work in (lambda name: tags.of_user(store, name), lambda name: tags.add(store, name, "A1", None, NOW)):
            with pytest.raises(AppError):
                work(name)
        assert scans.find(store, ScanFilter(user=name), 10) == []
