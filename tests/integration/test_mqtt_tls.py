"""The broker over TLS, with real certificates: trusted by an authority or as they are, and refused otherwise."""

from pathlib import Path

import pytest

from common.health import Status
from edge.openwb.v2 import DIALECT
from edge.settings import BrokerAddress
from tests.kit import servers
from tests.kit.certificates import CertificateAuthority, ServerCertificate, self_signed
from tests.kit.edge_mirror import EdgeMirror, running
from tests.kit.waiting import eventually

USER = ("wallport", "secret-of-tests")


def _address(broker: servers.Broker, ca_file: Path | None) -> BrokerAddress:
    return BrokerAddress(broker.host, broker.port, True, *USER, ca_file=ca_file)


def _refusal(edge: EdgeMirror) -> str:
    eventually(lambda: edge.status("mqtt") is Status.FAILING)
    return edge.health.components()["mqtt"].detail or ""


@pytest.mark.parametrize("is_authority", [False, True])
@pytest.mark.parametrize("days", [2, -2])
def test_a_box_s_own_certificate_counts_as_it_is(tmp_path: Path, redis_url: str, is_authority: bool, days: int) -> None:
    """Whatever name it bears and however old it is: nobody else has its key."""
    own = self_signed(tmp_path, "openwb", is_authority=is_authority, days=days)
    with servers.mosquitto(tmp_path / "broker", USER, own) as broker:  # noqa: SIM117
        with running(_address(broker, own.certificate), redis_url, DIALECT) as edge:
            eventually(lambda: edge.status("mqtt") is Status.OK)


def test_an_authority_s_certificate_must_bear_the_name(
    tmp_path: Path, redis_url: str, authority: CertificateAuthority
) -> None:
    """Signed for another host is not enough: the file trusts the authority, not all that it signs."""
    right, wrong = authority.issue("127.0.0.1"), authority.issue("elsewhere.test")
    with servers.mosquitto(tmp_path / "right", USER, right) as broker:  # noqa: SIM117
        with running(_address(broker, authority.certificate), redis_url, DIALECT) as edge:
            eventually(lambda: edge.status("mqtt") is Status.OK)
    with servers.mosquitto(tmp_path / "wrong", USER, wrong) as broker:  # noqa: SIM117
        with running(_address(broker, authority.certificate), redis_url, DIALECT) as edge:
            assert "certificate is not trusted" in _refusal(edge)


def test_another_box_s_certificate_is_refused_before_the_password_goes_out(tmp_path: Path, redis_url: str) -> None:
    """Same name, another key; and without a file only the machine's authorities count."""
    own, other = self_signed(tmp_path / "own", "127.0.0.1"), self_signed(tmp_path / "other", "127.0.0.1")
    with servers.mosquitto(tmp_path / "broker", USER, other) as broker:
        for ca_file in (own.certificate, None):
            with running(_address(broker, ca_file), redis_url, DIALECT) as edge:
                assert "certificate is not trusted" in _refusal(edge)
        with running(_address(broker, other.certificate), redis_url, DIALECT) as edge:
            eventually(lambda: edge.status("mqtt") is Status.OK)


def test_a_file_without_a_certificate_says_so(tmp_path: Path, redis_url: str) -> None:
    """The edge goes on trying: the file may be put right."""
    own: ServerCertificate = self_signed(tmp_path, "openwb")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with servers.mosquitto(tmp_path / "broker", USER, own) as broker:  # noqa: SIM117
        with running(_address(broker, empty), redis_url, DIALECT) as edge:
            assert "certificate file" in _refusal(edge)
            empty.write_bytes(own.certificate.read_bytes())
            eventually(lambda: edge.status("mqtt") is Status.OK)
