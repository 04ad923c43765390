"""The whole system, started once for all user stories of a file: each story leaves it healthy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import servers
from tests.kit.certificates import CertificateAuthority
from tests.kit.stack import Stack, running_stack


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, mariadb_installed: Path, authority: CertificateAuthority
) -> Iterator[Stack]:
    """Broker, Redis, MariaDB, nginx, relay, api and edge; an enrolled site with a user of each role."""
    folder = tmp_path_factory.mktemp("stack")
    with (
        servers.mariadb(folder / "mariadb", mariadb_installed) as mariadb,
        running_stack(folder, mariadb, authority) as running,
    ):
        yield running
