"""The scripts of `deploy`: the secrets and certificates that they make, and that the products start with them."""

import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kit.compose_file import ROOT, environment, load
from tests.kit.process import run

COMPOSE = load()
SERVICES = COMPOSE["services"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The secrets' folder after both scripts ran, in a copy of `deploy`."""
    for script in ("make-secrets.sh", "make-lan-certificate.sh"):
        shutil.copy(ROOT / "deploy" / script, tmp_path)
    run([str(tmp_path / "make-secrets.sh")])
    run([str(tmp_path / "make-lan-certificate.sh"), "wallport.lan", "192.168.1.20"])
    return tmp_path / "secrets"


def test_the_scripts_make_every_secret(made: Path) -> None:
    """All files exist but the relay's certificate, fit together, are closed to others by their folder, and are kept."""
    wanted = {Path(secret["file"]) for secret in COMPOSE["secrets"].values()}
    assert {path.parent for path in wanted} == {Path("deploy/secrets")}
    missing = {path.name for path in wanted} - {path.name for path in made.iterdir()}
    assert missing == {"relay_tls_certificate", "relay_tls_key"}
    assert made.stat().st_mode & 0o077 == 0
    secrets = {path.name: path.read_text().strip() for path in made.iterdir()}
    assert len({secrets[name] for name in ("redis_password", "mariadb_password", "relay_redis_password")}) == 3
    assert len(secrets["redis_password"]) == 48
    assert secrets["redis_url"] == f"redis://:{secrets['redis_password']}@redis:6379/0"
    assert secrets["relay_redis_url"] == f"redis://:{secrets['relay_redis_password']}@relay-redis:6379/0"
    database = SERVICES["mariadb"]["environment"]
    login = f"{database['MARIADB_USER']}:{secrets['mariadb_password']}"
    assert secrets["database_url"] == f"mysql://{login}@mariadb:3306/{database['MARIADB_DATABASE']}"
    assert run([str(made.parent / "make-secrets.sh")]) == ""
    assert (made / "redis_password").read_text().strip() == secrets["redis_password"]


@pytest.mark.parametrize("product", ["edge", "api", "relay"])
def test_the_products_accept_what_compose_gives_them(product: str, made: Path) -> None:
    """Each process finds its settings complete; without what only the owner knows, it names exactly that."""
    owner = {"WALLPORT_EDGE_MQTT_URL": "mqtt://192.168.1.5", "WALLPORT_RELAY_ORIGIN": "https://relay.example.org"}
    assert check_config(product, environment(product, owner, made), made) == (0, [])
    needed = {"edge": ["WALLPORT_EDGE_MQTT_URL"], "relay": ["WALLPORT_RELAY_ORIGIN"], "api": []}[product]
    assert check_config(product, environment(product, {}, made), made) == (2 if needed else 0, needed)


def test_the_lan_certificate_is_one_that_phones_accept(made: Path) -> None:
    """It verifies strictly for its name and address against the authority on the phones, which a renewal keeps."""
    authority = (made / "lan_ca.pem").read_bytes()
    run([str(made.parent / "make-lan-certificate.sh"), "wallport.lan", "192.168.1.20"])
    assert (made / "lan_ca.pem").read_bytes() == authority
    assert (made / "lan_ca.key").stat().st_mode & 0o077 == 0
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(made / "lan_tls_certificate", made / "lan_tls_key")
    phone_side = ssl.create_default_context(cafile=str(made / "lan_ca.pem"))
    phone_side.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    for name in ("wallport.lan", "192.168.1.20"):
        assert handshakes(phone_side, server_side, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshakes(phone_side, server_side, "other.lan")


def test_the_certificate_script_says_how_it_is_used(tmp_path: Path) -> None:
    """Without a name it explains itself and makes nothing."""
    shutil.copy(ROOT / "deploy" / "make-lan-certificate.sh", tmp_path)
    done = subprocess.run([tmp_path / "make-lan-certificate.sh"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr
    assert not (tmp_path / "secrets").exists()


def check_config(product: str, given: Mapping[str, str], data_dir: Path) -> tuple[int, list[str]]:
    """The exit code, and the first word of each line of standard error."""
    done = subprocess.run(
        [sys.executable, "-m", product, "check-config"],
        cwd=ROOT,
        env={**given, "WALLPORT_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, [line.split()[0] for line in done.stderr.splitlines()]


def handshakes(client_side: ssl.SSLContext, server_side: ssl.SSLContext, name: str) -> bool:
    """A TLS handshake in memory; raises what the client does not like."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        waiting = 0
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                waiting += 1
        if waiting == 0:
            return True
    return False
