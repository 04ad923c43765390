"""The edge's settings: defaults, the broker's URL, and every fault at once."""

from pathlib import Path

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
    assert settings.generation is None


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


@pytest.mark.parametrize(("text", "generation"), [("auto", None), ("1.9", "1.9"), ("2.x", "2.x")])
def test_the_generation_may_be_set(text: str, generation: str | None) -> None:
    assert read(ENOUGH | {"WALLPORT_EDGE_DIALECT": text}).generation == generation


@pytest.mark.parametrize(("text", "price"), [("", None), ("0.08", 0.08), ("0", 0.0)])
def test_own_price_may_be_set(text: str, price: float | None) -> None:
    assert read(ENOUGH | {"WALLPORT_EDGE_OWN_PRICE": text}).own_price_per_kwh == price


@pytest.mark.parametrize("text", ["8 ct", "-0.1", "0,08", "1e9", "123"])
def test_an_own_price_that_is_none_is_named(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(ENOUGH | {"WALLPORT_EDGE_OWN_PRICE": text})
    assert caught.value.faults == {"WALLPORT_EDGE_OWN_PRICE": "must be EUR per kWh, like 0.08"}


def test_an_unknown_generation_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        read(ENOUGH | {"WALLPORT_EDGE_DIALECT": "1x9"})
    assert caught.value.faults == {"WALLPORT_EDGE_DIALECT": "must be auto, 1.9 or 2.x"}


def test_a_certificate_file_needs_a_broker_that_has_one(tmp_path: Path) -> None:
    """Else the owner believes in a check that never happens."""
    file = tmp_path / "openwb.pem"
    file.touch()
    secured = ENOUGH | {"WALLPORT_EDGE_MQTT_URL": "mqtts://h", "WALLPORT_EDGE_MQTT_CA_FILE": str(file)}
    assert read(secured).broker.ca_file == file
    for changed, name in (
        ({"WALLPORT_EDGE_MQTT_URL": "mqtt://h"}, "WALLPORT_EDGE_MQTT_URL"),
        ({"WALLPORT_EDGE_MQTT_CA_FILE": str(tmp_path)}, "WALLPORT_EDGE_MQTT_CA_FILE"),
    ):
        with pytest.raises(SettingsError) as caught:
            read(secured | changed)
        assert list(caught.value.faults) == [name]


@pytest.mark.parametrize(
    ("broker", "given", "url"),
    [
        ("mqtt://10.0.0.2:1884", None, "http://10.0.0.2"),
        ("mqtts://me@[fd00::1]", None, "http://[fd00::1]"),
        ("mqtt://10.0.0.2", "http://openwb.local:8080", "http://openwb.local:8080"),
        ("mqtt://10.0.0.2", "off", None),
    ],
)
def test_where_the_wallbox_s_web_server_is(broker: str, given: str | None, url: str | None) -> None:
    """Beside its broker, or where the setting says; or it is left alone."""
    environ = ENOUGH | {"WALLPORT_EDGE_MQTT_URL": broker}
    if given is not None:
        environ |= {"WALLPORT_EDGE_OPENWB_URL": given}
    assert read(environ).openwb_url == url


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://me:secret@h", "http://h/?a=b"])
def test_a_web_server_that_cannot_be(url: str) -> None:
    """It is named without its value; nor is the default blamed for a broker that is missing."""
    with pytest.raises(SettingsError) as caught:
        read(ENOUGH | {"WALLPORT_EDGE_OPENWB_URL": url})
    assert set(caught.value.faults) == {"WALLPORT_EDGE_OPENWB_URL"}
    assert "secret" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        read({"WALLPORT_DATABASE_URL": "sqlite:///x"})
    assert set(caught.value.faults) == {"WALLPORT_EDGE_MQTT_URL"}
