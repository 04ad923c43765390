"""Which connection must go: of a network that has too many, or the one that has waited longest."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from common.crowd import OWN_DESCRIPTORS, Crowd, network_of

PROXY = "10.0.0.1"


def crowd(most: int = 16, per_network: int = 4) -> Crowd[str]:
    return Crowd(most + OWN_DESCRIPTORS, per_network, [ipaddress.ip_network(PROXY)])


def test_a_network_has_so_many_and_no_more() -> None:
    """Whatever addresses of its /64 it uses. Others, our own proxy and a unix socket do not feel it."""
    some = crowd()
    assert [some.come(f"c{at}", f"2001:db8::{at + 1:x}") for at in range(5)] == [None] * 4 + ["c4"]
    assert some.come("other", "2001:db8:0:1::1") is None
    assert [some.come(f"p{at}", PROXY) for at in range(5)] == [None] * 5
    assert [some.come(f"u{at}", None) for at in range(5)] == [None] * 5
    some.gone("c0")
    assert some.come("c5", "2001:db8::ffff") is None


def test_an_edge_counts_for_no_network() -> None:
    some = crowd()
    for at in range(10):
        assert some.come(f"e{at}", "192.0.2.1") is None
        some.serves(f"e{at}")
        some.keep(f"e{at}")
    assert [some.come(f"c{at}", "192.0.2.1") for at in range(4)] == [None] * 4


def test_a_quarter_is_kept() -> None:
    some = crowd()
    for at in range(13):
        assert some.is_full is (at > 12)
        some.come(f"c{at}", None)
        some.serves(f"c{at}")
    assert some.is_full
    some.keep("c0")
    assert not some.is_full


def test_whoever_waits_longest_goes_when_all_are_taken() -> None:
    """A connection that serves never does; one that waits again is the last of those who wait."""
    some = crowd(most=16)
    for at in range(16):
        assert some.come(f"c{at}", None) is None
    some.serves("c0")
    some.serves("c1")
    some.waits("c1")
    assert some.come("n0", None) == "c2"
    assert some.come("n1", None) == "c3"
    assert len(some) == 16
    for name in [*(f"c{at}" for at in range(4, 16)), "n0", "n1"]:
        some.serves(name)
    some.serves("c1")
    assert some.come("n2", None) == "n2"  # nobody waits but the newcomer


@given(st.lists(st.tuples(st.sampled_from(["come", "serves", "waits", "keep", "gone"]), st.integers(0, 30))))
def test_it_never_counts_wrong(steps: list[tuple[str, int]]) -> None:
    some, present = crowd(), set()
    for step, number in steps:
        name, peer = f"c{number}", f"192.0.2.{number % 3}"
        if step == "come" and name not in present:
            present.add(name)
            if (goes := some.come(name, peer)) is not None:
                present.remove(goes)
        elif step == "serves":
            some.serves(name)
        elif step == "waits":
            some.waits(name)
        elif step == "keep":
            some.keep(name)
        elif step == "gone":
            some.gone(name)
            present.discard(name)
        assert len(some) == len(present) <= some.most
    for name in list(present):
        some.gone(name)
    assert len(some) == 0
    assert [some.come(f"n{at}", "192.0.2.1") for at in range(4)] == [None] * 4


def test_one_name_for_all_that_is_no_address() -> None:
    assert network_of("") == network_of("x") == "unknown"
