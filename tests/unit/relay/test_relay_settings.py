"""The relay's settings, and every fault of them at once."""

from ipaddress import ip_network

import pytest

from common.settings import SettingsError
from relay.settings import read


def test_defaults_are_for_a_first_try_on_this_machine() -> None:
    settings = read({"WALLPORT_DATA_DIR": "/tmp/x"})
    assert settings.origin == "http://127.0.0.1:8090"
    assert settings.database_url == "sqlite:///tmp/x/relay.sqlite"
    assert settings.trusted_proxies == ()


def test_the_origin_must_be_told_when_others_can_connect() -> None:
    """Edges sign it: a wrong guess would lock every edge out."""
    with pytest.raises(SettingsError) as caught:
        read({"WALLPORT_RELAY_HOST": "0.0.0.0"})
    assert set(caught.value.faults) == {"WALLPORT_RELAY_ORIGIN"}
    assert read({"WALLPORT_RELAY_HOST": "0.0.0.0", "WALLPORT_RELAY_ORIGIN": "https://Relay.Example.org"}).origin == (
        "https://relay.example.org"
    )


def test_behind_a_proxy_the_origin_must_be_given() -> None:
    """Nobody reaches such a relay at its own listener, so what that would be called is wrong."""
    with pytest.raises(SettingsError) as caught:
        read({"WALLPORT_RELAY_TRUSTED_PROXIES": "127.0.0.1", "WALLPORT_RELAY_ORIGIN": ""})
    assert set(caught.value.faults) == {"WALLPORT_RELAY_ORIGIN"}


def test_the_origin_has_one_form() -> None:
    """However the owner writes it: edges compare octets."""
    for written in ("https://Relay.example.org:443", "https://relay.example.org/", "https://RELAY.example.org:"):
        assert read({"WALLPORT_RELAY_ORIGIN": written}).origin == "https://relay.example.org"
    assert read({"WALLPORT_RELAY_ORIGIN": "https://relay.example.org:8443"}).origin == "https://relay.example.org:8443"
    assert read({"WALLPORT_RELAY_ORIGIN": "https://[2001:DB8::1]:443"}).origin == "https://[2001:db8::1]"


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read(
            {
                "WALLPORT_RELAY_PORT": "99999",
                "WALLPORT_RELAY_ORIGIN": "https://relay.example.org/path",
                "WALLPORT_RELAY_REDIS_URL": "http://x",
                "WALLPORT_RELAY_TRUSTED_PROXIES": "10.0.0.0/8,nonsense",
                "WALLPORT_RELAY_UNKNOWN": "1",
            }
        )
    assert set(caught.value.faults) == {
        "WALLPORT_RELAY_PORT",
        "WALLPORT_RELAY_ORIGIN",
        "WALLPORT_RELAY_REDIS_URL",
        "WALLPORT_RELAY_TRUSTED_PROXIES",
        "WALLPORT_RELAY_UNKNOWN",
    }


def test_proxies_are_addresses_and_networks() -> None:
    behind = {"WALLPORT_RELAY_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8"}
    settings = read(behind | {"WALLPORT_RELAY_ORIGIN": "https://relay.example.org"})
    assert settings.trusted_proxies == (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))
