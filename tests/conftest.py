"""Fixtures that every suite may use: real servers, fresh databases, a certificate authority.

`redis_url`, `mariadb_url` and `sqlite_url` are empty for each test and share one server per run. A test that stops a
server takes one of its own: `broker`, `own_redis`, `own_mariadb`.
"""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.kit import servers
from tests.kit.certificates import CertificateAuthority

# How fast an example runs says more of what else the machine does than of the code; pytest's timeout bounds it.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[servers.Broker]:
    """A mosquitto for this test alone, open to anybody."""
    with servers.mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.RedisServer]:
    """The run's redis-server; not to be stopped."""
    with servers.redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: servers.RedisServer) -> str:
    """The run's redis-server, emptied for this test."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[servers.RedisServer]:
    """A redis-server for this test alone, which it may stop."""
    with servers.redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that servers copy."""
    return servers.install_mariadb(tmp_path_factory.mktemp("mariadb-installed") / "data")


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory, mariadb_installed: Path) -> Iterator[servers.Mariadb]:
    """The run's mariadbd; not to be stopped."""
    with servers.mariadb(tmp_path_factory.mktemp("mariadb"), mariadb_installed) as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb_server: servers.Mariadb) -> str:
    """A fresh, empty database on the run's mariadbd."""
    return mariadb_server.new_database()


@pytest.fixture
def own_mariadb(tmp_path: Path, mariadb_installed: Path) -> Iterator[servers.Mariadb]:
    """A mariadbd for this test alone, which it may stop."""
    with servers.mariadb(tmp_path / "mariadb", mariadb_installed) as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite://{tmp_path / 'store.sqlite'}"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """The run's throw-away certificate authority."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))
