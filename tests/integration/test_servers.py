"""The test servers themselves: real, private, and able to go away and come back."""

import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paho.mqtt.publish
import paho.mqtt.subscribe
import pymysql
import pytest
import redis

from tests.kit import servers
from tests.kit.certificates import CertificateAuthority
from tests.kit.ports import reserved_port
from tests.kit.process import ServerFailed, ServerMissing, ServerProcess, accepts, program


def connect(url: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "",
        port=parts.port or 0,
        user=parts.username or "",
        password=unquote(parts.password or ""),
        database=parts.path[1:],
    )


def retained(broker: servers.Broker, topic: str) -> bytes:
    message = paho.mqtt.subscribe.simple(  # type: ignore[no-untyped-call]
        topic, hostname=broker.host, port=broker.port
    )
    payload: bytes = message.payload
    return payload


def test_a_reserved_port_refuses_until_its_server_starts() -> None:
    """Nobody answers on a reserved port, and the kernel gives it to nobody else."""
    with reserved_port() as first, reserved_port() as second:
        assert first != second
        assert not accepts(first)


def test_mosquitto_keeps_retained_messages_over_an_outage(broker: servers.Broker) -> None:
    """Stop and start bring the broker back on the same port with what it retained."""
    paho.mqtt.publish.single("openWB/evu/W", "230", qos=1, retain=True, hostname=broker.host, port=broker.port)
    broker.stop()
    assert not accepts(broker.port)
    broker.start()
    assert retained(broker, "openWB/evu/W") == b"230"


def test_mosquitto_with_credentials_refuses_strangers(tmp_path: Path) -> None:
    """A broker made with a password takes only those who know it."""
    with servers.mosquitto(tmp_path, credentials=("edge", "secret")) as broker:
        login: paho.mqtt.publish.AuthParameter = {"username": "edge", "password": "secret"}
        paho.mqtt.publish.single("a", "1", qos=1, hostname=broker.host, port=broker.port, auth=login)
        with pytest.raises(Exception, match=r"[Nn]ot authori[sz]ed"):
            paho.mqtt.publish.single("a", "1", qos=1, hostname=broker.host, port=broker.port)


def test_redis_is_empty_for_each_test_and_after_an_outage(redis_url: str, own_redis: servers.RedisServer) -> None:
    """The shared Redis is flushed per test; an own one forgets everything when it restarts."""
    assert redis_url != own_redis.url
    with redis.Redis.from_url(redis_url) as shared, redis.Redis.from_url(own_redis.url) as own:
        assert shared.dbsize() == 0
        own.set("a", 1)
        own_redis.stop()
        with pytest.raises(redis.ConnectionError):
            own.get("a")
        own_redis.start()
        assert own.get("a") is None


def test_mariadb_gives_fresh_databases(mariadb_server: servers.Mariadb, mariadb_url: str) -> None:
    """Each URL leads to an empty utf8mb4 database of its own."""
    assert mariadb_server.new_database() != mariadb_url
    with connect(mariadb_url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        assert cursor.fetchall() == ()
        cursor.execute("SELECT @@character_set_database")
        assert cursor.fetchone() == ("utf8mb4",)


def test_mariadb_keeps_its_data_over_an_outage(own_mariadb: servers.Mariadb) -> None:
    """Stop and start bring the database back on the same port with its rows."""
    with connect(own_mariadb.url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (n INT)")
        cursor.execute("INSERT INTO t VALUES (7)")
        connection.commit()
    own_mariadb.stop()
    assert not accepts(own_mariadb.port)
    own_mariadb.start()
    with connect(own_mariadb.url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n FROM t")
        assert cursor.fetchone() == (7,)


def test_a_server_that_fails_says_why(tmp_path: Path) -> None:
    """The error carries the server's own words, and nothing is left running."""
    process = ServerProcess([program("redis-server"), "--no-such-option"], tmp_path / "log", lambda: False)
    with pytest.raises(ServerFailed, match=r"no-such-option|Bad directive"):
        process.start()
    with pytest.raises(ServerFailed, match="is not running"):
        _ = process.pid


def test_a_missing_program_says_how_to_install_it() -> None:
    """No skip: the failure names the program and the make target."""
    with pytest.raises(ServerMissing, match="no-such-server is not installed on this machine: run 'make servers'"):
        program("no-such-server")


def test_certificates_are_trusted_only_through_their_authority(authority: CertificateAuthority) -> None:
    """A strict TLS context loads both files, and knows one authority only."""
    issued = authority.issue("relay.test", "127.0.0.1")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    assert len(context.get_ca_certs()) == 1
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.certificate, issued.key)
    assert issued.key.stat().st_mode & 0o077 == 0
