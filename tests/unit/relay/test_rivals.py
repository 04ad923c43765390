"""Two edges with one identity are told from one that restarts, and the newest is held."""

from relay.rivals import HOLD_S, MOST_CLAIMS, WINDOW_S, Rivals


def test_restarts_and_reconnects_are_nobodys_rival() -> None:
    """Each start has a boot id of its own and never an old one; a flapping line has the same one."""
    rivals = Rivals()
    assert not any(rivals.claim("home", f"boot {number}", float(number)) for number in range(100))
    assert not any(rivals.claim("home", "boot 99", float(number)) for number in range(100, 200))
    assert not rivals.must_wait("home", "boot 100", 200.0)


def test_a_move_to_another_machine_is_none_either() -> None:
    """The old edge comes back once, while the owner goes to switch it off."""
    rivals = Rivals()
    assert [rivals.claim("home", boot, at) for at, boot in enumerate(["old", "new", "old"])] == [False] * 3
    assert not rivals.must_wait("home", "new", 3.0)


def test_two_that_take_turns_are_rivals_and_the_newest_is_held() -> None:
    """Another site does not notice, and after the hold the newest wins again."""
    rivals = Rivals()
    assert [rivals.claim("home", boot, at) for at, boot in enumerate("abab")] == [False, False, False, True]
    assert rivals.must_wait("home", "a", 4.0)
    assert rivals.must_wait("home", "c", 4.0)
    assert not rivals.must_wait("home", "b", 4.0)
    assert not rivals.must_wait("cabin", "a", 4.0)
    assert not rivals.must_wait("home", "a", 3.0 + HOLD_S)


def test_turns_that_are_long_ago_do_not_count() -> None:
    rivals = Rivals()
    assert not any(rivals.claim("home", boot, at * WINDOW_S) for at, boot in enumerate("ababab"))


def test_what_is_remembered_is_bounded() -> None:
    rivals = Rivals()
    for number in range(1000):
        rivals.claim("home", f"boot {number}", 1.0)
    assert len(rivals._sites["home"].by_turn) <= MOST_CLAIMS + 1
