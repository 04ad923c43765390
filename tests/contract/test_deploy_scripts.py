"""The scripts of `deploy`: the secrets and certificates that they make, and that the products start with them."""

import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.kit.certificates import CertificateAuthority
from tests.kit.compose_file import ROOT, environment, load
from tests.kit.ports import reserved_port
from tests.kit.process import program, run

PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8
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
    """All files exist, fit together, are closed to others by their folder, and are kept."""
    wanted = {Path(secret["file"]) for secret in COMPOSE["secrets"].values()}
    assert {path.parent for path in wanted} == {Path("deploy/secrets")}
    assert {path.name for path in wanted} <= {path.name for path in made.iterdir()}
    assert made.stat().st_mode & 0o077 == 0
    secrets = {path.name: path.read_text().strip() for path in made.iterdir()}
    assert len({secrets[name] for name in ("redis_password", "mariadb_password", "relay_redis_password")}) == 3
    assert len(secrets["redis_password"]) == 48
    assert secrets["redis_url"] == f"redis://:{secrets['redis_password']}@redis:6379/0"
    assert secrets["relay_redis_url"] == f"redis://:{secrets['relay_redis_password']}@relay-redis:6379/0"
    database = SERVICES["mariadb"]["environment"]
    login = f"{database['MARIADB_USER']}:{secrets['mariadb_password']}"
    assert secrets["database_url"] == f"mysql://{login}@mariadb:3306/{database['MARIADB_DATABASE']}"
    (made / "relay_tls_key").write_text("certbot's")
    assert run([str(made.parent / "make-secrets.sh")]) == ""
    assert (made / "relay_tls_key").read_text() == "certbot's"
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


NAMES = ("wallport.lan", "192.168.1.20")


@pytest.mark.parametrize(
    ("given", "forged"),
    [
        (NAMES, x509.DNSName("bank.example.org")),
        (NAMES, x509.DNSName("lan")),
        (NAMES, x509.DNSName("notwallport.lan")),
        (NAMES, x509.IPAddress(ip_address("192.168.1.21"))),
        (NAMES, x509.IPAddress(ip_address("2001:db8::5"))),
        (NAMES, x509.RFC822Name("hugo@example.org")),
        (("wallport.lan",), x509.IPAddress(ip_address("192.168.1.20"))),
        (("wallport.lan",), x509.IPAddress(ip_address("fd00::5"))),
        (("192.168.1.20", "fd00::5"), x509.DNSName("wallport.lan")),
        (("192.168.1.20", "fd00::5"), x509.IPAddress(ip_address("fd00::6"))),
    ],
    ids=str,
)
def test_the_authority_on_the_phones_vouches_for_no_other_name(
    tmp_path: Path, given: tuple[str, ...], forged: x509.GeneralName
) -> None:
    """Even with its key, and beside a name that is allowed: openssl refuses the certificate for the foreign one."""
    authority, key = _authority(_made(tmp_path, *given))
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    allowed = [_general(name) for name in given]
    assert _verdict(tmp_path, [_signed(allowed, authority, key)[0]]) == "OK"
    verdicts = [_verdict(tmp_path, [_signed(names, authority, key)[0]]) for names in ([forged], [*allowed, forged])]
    assert [verdict in ("permitted subtree violation", "excluded subtree violation") for verdict in verdicts] == [
        True
    ] * 2


def test_a_phone_refuses_what_a_stolen_authority_signs_for_others(made: Path) -> None:
    """In a handshake, and by a second verifier; and no authority can be made below it, also not for its own name."""
    authority, key = _authority(made)
    certificate, own_key = _signed([x509.DNSName("bank.example.org")], authority, key)
    phone_side = ssl.create_default_context(cafile=str(made / "lan_ca.pem"))
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = made / "forged.pem"
    pair.write_bytes(certificate.public_bytes(PEM) + own_key.private_bytes(PEM, _PKCS8, serialization.NoEncryption()))
    server_side.load_cert_chain(pair)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshakes(phone_side, server_side, "bank.example.org")
    policy = verification.PolicyBuilder().store(verification.Store([authority]))
    for name, is_trusted in (("wallport.lan", True), ("bank.example.org", False)):
        leaf, _ = _signed([x509.DNSName(name)], authority, key)
        verifier = policy.build_server_verifier(x509.DNSName(name))
        with nullcontext() if is_trusted else pytest.raises(verification.VerificationError):
            verifier.verify(leaf, [])
    below, key_below = _signed([x509.DNSName("wallport.lan")], authority, key, is_authority=True)
    leaf, _ = _signed([x509.DNSName("wallport.lan")], below, key_below)
    assert _verdict(made.parent, [leaf, below]) == "path length constraint exceeded"


def test_other_names_need_another_authority(made: Path) -> None:
    """The script says so and leaves what is there; and it tells an owner whose authority is one of former times."""
    script = str(made.parent / "make-lan-certificate.sh")
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    done = subprocess.run([script, "wallport.lan", "192.168.1.99"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot vouch for all of: wallport.lan 192.168.1.99" in done.stderr
    after = {path.name: path.read_bytes() for path in made.iterdir()}
    assert {name for name in before if before[name] != after[name]} <= {"lan_ca.srl"}
    assert after.keys() == before.keys()
    free = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
    run([*free, "-subj", "/CN=free", "-keyout", str(made / "lan_ca.key"), "-out", str(made / "lan_ca.pem")])
    done = subprocess.run([script, "wallport.lan", "192.168.1.99"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "can vouch for any name" in done.stderr


def test_the_certificate_script_says_how_it_is_used(tmp_path: Path) -> None:
    """Without a name it explains itself and makes nothing."""
    shutil.copy(ROOT / "deploy" / "make-lan-certificate.sh", tmp_path)
    done = subprocess.run([tmp_path / "make-lan-certificate.sh"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("side", ["lan", "relay"])
def test_nginx_without_docker_gets_whole_configurations(
    side: str, tmp_path: Path, authority: CertificateAuthority
) -> None:
    """A real nginx takes what the script writes; nothing is left to be replaced, and nginx's own names are."""
    issued = authority.issue("wallport.test")
    script = [str(ROOT / "deploy" / "render-nginx.sh"), side, "wallport.test", str(issued.certificate), str(issued.key)]
    rendered = run([*script, str(tmp_path)] if side == "relay" else script)
    code = re.sub(r"#.*", "", rendered)
    assert "${" not in code
    assert f"ssl_certificate     {issued.certificate};" in code
    assert "$remote_addr" in code
    with reserved_port() as https, reserved_port() as http:  # those of the script need root
        ours = rendered.replace("/var/log/nginx/wallport.log", str(tmp_path / "access.log"))
        ours = ours.replace("listen 443 ", f"listen 127.0.0.1:{https} ").replace(
            "listen 80;", f"listen 127.0.0.1:{http};"
        )
        (tmp_path / "rendered.conf").write_text(ours)
        main = f"pid {tmp_path}/pid; events {{}} http {{ include {tmp_path}/rendered.conf; }}"
        (tmp_path / "nginx.conf").write_text(main)
        run([program("nginx"), "-t", "-q", "-e", "stderr", "-c", str(tmp_path / "nginx.conf")])
    misused = subprocess.run([*script, "too", "much"], capture_output=True, text=True, check=False)
    assert (misused.returncode, misused.stdout, "deploy/render-nginx.sh lan" in misused.stderr) == (2, "", True)


def test_entries_of_env_without_effect_are_named(tmp_path: Path) -> None:
    """What compose passes on or uses is fine; a typo, and what it sets itself, is named, without its value."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "check-env.sh", tmp_path / "deploy")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    fine = [
        "# WALLPORT_X=1",
        "WALLPORT_API_AUDIT_DAYS=30",
        "export WALLPORT_LAN_HTTPS_PORT=8443",
        "COMPOSE_PROFILES=edge",
    ]
    bad = ["WALLPORT_SITE_NMAE=s3cret", " WALLPORT_API_PORT = s3cret", "WALLPORT_EDGE_MQTT_PASSWORD=s3cret"]
    for lines in (None, fine, bad, fine + bad):
        if lines is not None:
            (tmp_path / ".env").write_text("\n".join(lines) + "\n")
        done = subprocess.run([tmp_path / "deploy" / "check-env.sh"], capture_output=True, text=True, check=False)
        named = [line.split()[0] for line in done.stderr.splitlines()]
        expected = (
            ["WALLPORT_SITE_NMAE", "WALLPORT_API_PORT", "WALLPORT_EDGE_MQTT_PASSWORD"]
            if bad[0] in (lines or [])
            else []
        )
        assert (done.returncode, named) == (1 if expected else 0, expected)
        assert "s3cret" not in done.stdout + done.stderr


def _made(folder: Path, *names: str) -> Path:
    """The secrets' folder with an authority for these names."""
    shutil.copy(ROOT / "deploy" / "make-lan-certificate.sh", folder)
    run([str(folder / "make-lan-certificate.sh"), *names])
    return folder / "secrets"


def _authority(secrets: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key((secrets / "lan_ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate((secrets / "lan_ca.pem").read_bytes()), key


def _general(name: str) -> x509.GeneralName:
    return x509.DNSName(name) if name.endswith(".lan") else x509.IPAddress(ip_address(name))


def _signed(
    names: list[x509.GeneralName],
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool = False,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """What somebody with the authority's key can make."""
    own_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged" if is_authority else "x")]))
        .issuer_name(authority.subject)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False)
        .add_extension(key_id, critical=False)
    )
    return builder.sign(key, hashes.SHA256()), own_key


def _verdict(folder: Path, chain: list[x509.Certificate]) -> str:
    """`OK`, or why openssl refuses it, as a server's, by the authority that the phones have."""
    (folder / "leaf.pem").write_bytes(chain[0].public_bytes(PEM))
    (folder / "below.pem").write_bytes(b"".join(certificate.public_bytes(PEM) for certificate in chain[1:]))
    command = ["openssl", "verify", "-purpose", "sslserver", "-CAfile", str(folder / "secrets" / "lan_ca.pem")]
    command += ["-untrusted", str(folder / "below.pem")] if chain[1:] else []
    done = subprocess.run([*command, str(folder / "leaf.pem")], capture_output=True, text=True, check=False)
    found = re.search(r"lookup: *(.+)", done.stderr)
    return found[1] if found else done.stdout.rpartition(": ")[2].strip()


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
