"""What is wrong with a server is said so that one knows where to look: password, port, name and clock differ."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import redis

from common.errors import AppError
from common.health import Status
from common.store.bind import open_store
from edge.adapters.enrolment import enrol
from edge.adapters.public_url import HttpPublicUrl
from edge.adapters.redis_mirror import client, translated
from edge.adapters.relay_socket import WebsocketsRelay
from edge.openwb.v2 import DIALECT
from edge.settings import BrokerAddress
from tests.kit import servers
from tests.kit.certificates import CertificateAuthority
from tests.kit.edge_mirror import running
from tests.kit.ports import reserved_port
from tests.kit.waiting import eventually

NOBODY = "nobody.invalid"  # RFC 2606: it never is
UNKNOWN_NAME = "(no machine of that name is known|the name server does not answer)"  # the latter without a network
REFUSED_PORT = "nothing listens on that port"
WRONG_CLOCK = r"it is not valid yet by this machine.s clock, which says \d{4}-\d\d-\d\d \d\d:\d\d UTC"


def said(work: Callable[[], object]) -> str:
    """The words for anybody, with which it failed."""
    with pytest.raises(AppError) as caught:
        work()
    return caught.value.message


def of_broker(address: BrokerAddress, redis_url: str) -> str:
    """What health says of the broker."""
    with running(address, redis_url, DIALECT) as edge:
        eventually(lambda: edge.status("mqtt") is Status.FAILING)
        return edge.health.components()["mqtt"].detail or ""


def test_a_broker(tmp_path: Path, redis_url: str, authority: CertificateAuthority) -> None:
    """Five faults, five sentences."""
    early = authority.issue("127.0.0.1", in_days=3)
    user = ("wallport", "right")
    with servers.mosquitto(tmp_path / "plain", user) as plain, servers.mosquitto(tmp_path / "tls", user, early) as tls:
        wrong_password = of_broker(BrokerAddress(plain.host, plain.port, False, "wallport", "wrong"), redis_url)
        no_password = of_broker(BrokerAddress(plain.host, plain.port), redis_url)
        address = BrokerAddress(tls.host, tls.port, True, *user, ca_file=authority.certificate)
        wrong_clock = of_broker(address, redis_url)
    with reserved_port() as port:
        refused = of_broker(BrokerAddress("127.0.0.1", port), redis_url)
    unknown = of_broker(BrokerAddress(NOBODY, 1883), redis_url)
    assert wrong_password == "the MQTT broker refused the user name or the password"
    assert no_password == "the MQTT broker asks for a user name and a password"
    assert refused == f"the MQTT broker cannot be reached: {REFUSED_PORT}"
    assert re.fullmatch(f"the MQTT broker cannot be reached: {UNKNOWN_NAME}", unknown)
    assert re.fullmatch(f"the MQTT broker.s certificate is not trusted: {WRONG_CLOCK}", wrong_clock)


def of_database(url: str) -> str:
    with closing(open_store(url)) as store:
        return said(store.ping)


def test_a_database(mariadb_url: str) -> None:
    """The password, the database's name, the port and the host are told apart."""
    start, _, rest = mariadb_url.partition("@")
    user = start.removeprefix("mysql://").partition(":")[0]
    wrong_password = of_database(f"mysql://{user}:wrong@{rest}")
    assert wrong_password == "the database refused the user name or the password"
    assert "no database of that name" in of_database(f"{mariadb_url}_not_there")
    with reserved_port() as port:
        assert of_database(f"mysql://u:p@127.0.0.1:{port}/x") == f"the database cannot be reached: {REFUSED_PORT}"
    unknown = of_database(f"mysql://u:p@{NOBODY}/x")
    assert re.fullmatch(f"the database cannot be reached: {UNKNOWN_NAME}", unknown)


def of_redis(url: str) -> str:
    def ask() -> None:
        with translated(), closing(client(url)) as asked:
            asked.ping()

    return said(ask)


def test_a_redis(own_redis: servers.RedisServer) -> None:
    """A wrong password and none at all are one sentence: Redis itself has one for both at times."""
    with redis.Redis(port=own_redis.port) as admin:
        admin.config_set("requirepass", "right")
    for password in ("", ":wrong@"):
        url = f"redis://{password}127.0.0.1:{own_redis.port}/0"
        assert of_redis(url) == "Redis refused the password, or asks for one"
    with reserved_port() as port:
        assert of_redis(f"redis://127.0.0.1:{port}/0") == f"Redis does not answer: {REFUSED_PORT}"
    assert re.fullmatch(f"Redis does not answer: {UNKNOWN_NAME}", of_redis(f"redis://{NOBODY}/0"))


def test_a_relay(tmp_path: Path, authority: CertificateAuthority) -> None:
    """By the tunnel, by the check of the public address, and at enrolment."""
    ca_file = authority.certificate

    def by_each_way(url: str) -> set[str]:
        return {
            said(lambda: WebsocketsRelay(ca_file).connect(url).__enter__()),
            said(lambda: HttpPublicUrl(ca_file).ask(url, "/", "")),
            said(lambda: enrol(url, "code", tmp_path / "data", ca_file)),
        }

    with reserved_port() as port:
        refused = by_each_way(f"https://127.0.0.1:{port}")
    assert all(text.endswith(f"cannot be reached: {REFUSED_PORT}") for text in refused)
    for text in by_each_way(f"https://{NOBODY}"):
        assert re.search(f"cannot be reached: {UNKNOWN_NAME}$", text)
    early, late = authority.issue("127.0.0.1", in_days=3), authority.issue("localhost", in_days=-9)
    with servers.mosquitto(tmp_path / "early", tls=early) as server:  # it speaks TLS, and that is all they come to
        for text in by_each_way(f"https://127.0.0.1:{server.port}"):
            assert re.search(f"certificate is not trusted: {WRONG_CLOCK}$", text)
    with servers.mosquitto(tmp_path / "late", tls=late) as server:
        for text in by_each_way(f"https://localhost:{server.port}"):
            assert "it is valid no more by this machine's clock" in text
    assert not (tmp_path / "data").exists()
