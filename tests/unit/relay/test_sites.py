"""Which tunnel carries a site: the newest, at once."""

from dataclasses import dataclass

from relay.sites import MOST_LEAP, Site, Sites, fence_after

HOME = Site("id-1", "home")


@dataclass(eq=False)
class FakeLink:
    site: Site
    fence: int
    public_key: str = "key"


def test_the_newest_connection_takes_the_site_at_once() -> None:
    """The claim answers with the one it replaces, and does not wait for its end."""
    sites: Sites[FakeLink] = Sites()
    old, new = FakeLink(HOME, 1), FakeLink(HOME, 2)
    assert sites.claim(old) is None
    assert sites.claim(new) is old
    assert sites.live("home") is new
    assert list(sites) == [new]


def test_a_connection_that_ends_late_does_not_take_the_site_offline() -> None:
    sites: Sites[FakeLink] = Sites()
    old, new = FakeLink(HOME, 1), FakeLink(HOME, 2)
    sites.claim(old)
    sites.claim(new)
    assert not sites.release(old, now=10.0)
    assert sites.live("home") is new
    assert sites.release(new, now=11.0)
    assert sites.live("home") is None
    assert sites.lost_at("id-1") == 11.0


def test_a_claim_that_was_overtaken_comes_too_late() -> None:
    """Two handshakes at once: the higher fence wins, whichever claims first."""
    sites: Sites[FakeLink] = Sites()
    slow, fast = FakeLink(HOME, 1), FakeLink(HOME, 2)
    sites.claim(fast)
    assert sites.claim(slow) is slow
    assert sites.live("home") is fast


def test_a_new_connection_forgets_the_offline_time() -> None:
    sites: Sites[FakeLink] = Sites()
    link = FakeLink(HOME, 1)
    sites.claim(link)
    sites.release(link, now=5.0)
    sites.claim(FakeLink(HOME, 2))
    assert sites.lost_at("id-1") is None


def test_a_site_that_was_renamed_answers_to_its_new_name_only() -> None:
    sites: Sites[FakeLink] = Sites()
    sites.claim(FakeLink(HOME, 1))
    renamed = FakeLink(Site("id-1", "villa"), 2)
    sites.claim(renamed)
    assert sites.live("home") is None
    assert sites.live("villa") is renamed


def test_fences_only_grow() -> None:
    """Above what this process, the edge and Redis know; also when two handshakes overlap, or Redis forgot."""
    sites: Sites[FakeLink] = Sites()
    assert sites.highest_fence("id-1", "key") == 0
    assert fence_after(0, 7) == 8
    assert sites.use_fence("id-1", "key", 8) == 8
    assert sites.highest_fence("id-1", "key") == 8
    assert fence_after(8, 3) == 9
    assert sites.use_fence("id-1", "key", 8) == 9
    assert sites.use_fence("id-1", "key", 2) == 10


def test_no_edge_uses_the_fences_up() -> None:
    assert fence_after(5, 5 + MOST_LEAP) == 6 + MOST_LEAP
    assert fence_after(5, 6 + MOST_LEAP) is None
    assert fence_after(5, (1 << 53) - 1) is None


def test_fences_begin_anew_with_another_key() -> None:
    """Whatever the one before did with them; and the newest connection has the site, however low its number."""
    sites: Sites[FakeLink] = Sites()
    sites.use_fence("id-1", "stolen", 1 << 52)
    old, new = FakeLink(HOME, 1 << 52, "stolen"), FakeLink(HOME, 1, "new")
    sites.claim(old)
    assert sites.highest_fence("id-1", "new") == 0
    assert sites.use_fence("id-1", "new", 1) == 1
    assert sites.claim(new) is old
    assert sites.live("home") is new


def test_a_renamed_site_answers_by_its_new_name_only() -> None:
    """Also when another site takes the old name at once, in either order of noticing."""
    for order in (("moved", "other"), ("other", "moved")):
        sites: Sites[FakeLink] = Sites()
        links = {"moved": FakeLink(Site("id-1", "home"), 1), "other": FakeLink(Site("id-2", "cabin"), 1)}
        for link in links.values():
            sites.claim(link)
        new_names = {"moved": "villa", "other": "home"}
        for which in order:
            sites.rename(links[which], new_names[which])
        assert sites.live("villa") is links["moved"]
        assert sites.live("home") is links["other"]
        assert sites.live("cabin") is None
        assert sites.release(links["moved"], 1.0)
        assert sites.live("home") is links["other"]


def test_a_tunnel_that_is_no_longer_the_sites_does_not_take_its_new_name() -> None:
    """It was replaced while the change was looked up."""
    sites: Sites[FakeLink] = Sites()
    old, new = FakeLink(HOME, 1), FakeLink(Site("id-1", "villa"), 2)
    sites.claim(old)
    sites.claim(new)
    sites.rename(old, "villa")
    assert sites.live("villa") is new
    assert sites.live("home") is None
