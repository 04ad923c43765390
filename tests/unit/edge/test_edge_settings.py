"""The edge's settings: defaults, the broker's URL, and every fault at once."""

import pytest

from common.settings import SettingsError
from edge.settings import BrokerAddress, read

ENOUGH = {"WALLPORT_EDGE_MQTT_URL": "mqtt://openwb.local", "WALLPORT_DATABASE_URL": "sqlite:///var/lib/w.sqlite"}


def test_defaults() -> None:
    """Broker and database are enough."""
    settings = read(ENOUGH)
    assert settings.broker == BrokerAddress("openwb.local", 1883)
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.sample_interval_s == 60
    assert str(settings.api_socket) == "data/api.sock"
    assert settings.relay_ca_file is None


@pytest.mark.parametrize(
    ("url", "password", "address"),
    [
        ("mqtt://10.0.0.2:1884", None, BrokerAddress("10.0.0.2", 1884)),
        ("mqtt://[::1]", None, BrokerAddress("::1", 1883)),
        ("mqtts://me@h/", "p@ss", BrokerAddress("h", 8883, True, "me", "p@ss")),
        ("mqtt://me:p%40ss@h", None, BrokerAddress("h", 1883, False, "me", "p@ss")),
    ],
)
def test_the_broker_s_address(url: str, password: str | None, address: BrokerAddress) -> None:
    """Credentials in the URL, or the password beside it."""
    environ = ENOUGH | {"WALLPORT_EDGE_MQTT_URL": url}
    if password is not None:
        environ |= {"WALLPORT_EDGE_MQTT_PASSWORD": password}
    broker = read(environ).broker
    assert broker == address
    assert "p@ss" not in repr(broker)


@pytest.mark.parametrize(
    "url", ["mqtt://", "http://h", "mqtt://h/topic", "mqtt://h:99999", "mqtt://h:0", "mqtt://:pw@h", "h"]
)
def test_a_bad_broker_url_is_named_without_its_text(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(SettingsError) as caught:
        read(ENOUGH | {"WALLPORT_EDGE_MQTT_URL": url})
    assert list(caught.value.faults) == ["WALLPORT_EDGE_MQTT_URL"]
    assert url not in caught.value.faults["WALLPORT_EDGE_MQTT_URL"].split()


def test_all_faults_at_once() -> None:
    """Missing, malformed and unknown settings, each by its name."""
    with pytest.raises(SettingsError) as caught:
        read({"WALLPORT_SAMPLE_INTERVAL_S": "1", "WALLPORT_EDGE_TYPO": "x", "WALLPORT_LOG_FORM": "xml"})
    assert sorted(caught.value.faults) == [
        "WALLPORT_DATABASE_URL",
        "WALLPORT_EDGE_MQTT_URL",
        "WALLPORT_EDGE_TYPO",
        "WALLPORT_LOG_FORM",
        "WALLPORT_SAMPLE_INTERVAL_S",
    ]


def test_a_bad_database_url_is_named() -> None:
    """Before anything starts, and without its text."""
    with pytest.raises(SettingsError) as caught:
        read(ENOUGH | {"WALLPORT_DATABASE_URL": "mysql://me:secret-of-tests@host"})
    assert list(caught.value.faults) == ["WALLPORT_DATABASE_URL"]
    assert "secret-of-tests" not in str(caught.value.faults)
