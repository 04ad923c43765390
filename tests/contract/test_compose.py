"""docker-compose.yml against the Compose Specification's schema, and everything in it that refers to something else."""

import ipaddress
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess, accepts, run

ROOT = Path(__file__).parents[2]
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text()


def load() -> dict[str, Any]:
    with (ROOT / "docker-compose.yml").open() as file:
        loaded: dict[str, Any] = yaml.safe_load(file)
    return loaded


COMPOSE = load()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCHEMA = json.loads((ROOT / "tests" / "contract" / "schemas" / "compose-spec.json").read_text())
TEMPLATES = {"nginx": "lan.conf", "relay-nginx": "relay.conf"}
each_service = pytest.mark.parametrize("name", SERVICES)


def names(section: Any) -> list[str]:
    """Networks, secrets and dependencies come as a list of names, of mappings, or as a mapping."""
    return [item if isinstance(item, str) else item["source"] for item in section or []]


def secret_targets(service: dict[str, Any]) -> dict[str, str]:
    """Where each secret is seen in the container → its name."""
    pairs = [(item, item) if isinstance(item, str) else (item["target"], item["source"]) for item in service["secrets"]]
    return {f"/run/secrets/{target}": source for target, source in pairs}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    else:
        yield str(value)


def address(service: str, network: str) -> str:
    found: str = SERVICES[service]["networks"][network]["ipv4_address"]
    return found


def test_the_file_obeys_the_schema() -> None:
    """It is valid, and the check is real: a misspelt key is not."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(COMPOSE, SCHEMA, cls=jsonschema.Draft7Validator)
    misspelt = load()
    misspelt["services"]["api"]["healtcheck"] = misspelt["services"]["api"].pop("healthcheck")
    with pytest.raises(jsonschema.ValidationError, match="healtcheck"):
        jsonschema.validate(misspelt, SCHEMA, cls=jsonschema.Draft7Validator)


def test_the_two_profiles() -> None:
    """Each side is complete, and no service starts without a profile."""
    profiles: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        (profile,) = service["profiles"]
        profiles.setdefault(profile, set()).add(name)
    assert profiles == {
        "edge": {"edge", "api", "redis", "mariadb", "nginx"},
        "relay": {"relay", "relay-redis", "relay-nginx"},
    }


@each_service
def test_references_lead_somewhere(name: str) -> None:
    """Networks, volumes, secrets and dependencies exist; a dependency is in the same profile and has a health check."""
    service = SERVICES[name]
    assert set(names(service["networks"])) <= COMPOSE["networks"].keys()
    assert set(names(service.get("secrets", []))) <= COMPOSE["secrets"].keys()
    for other, how in service.get("depends_on", {}).items():
        assert SERVICES[other]["profiles"] == service["profiles"]
        assert how["condition"] == "service_healthy"
        assert set(names(SERVICES[other]["networks"])) & set(names(service["networks"]))
    for volume in service.get("volumes", []):
        source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).partition(":")[0]
        if source.startswith("./"):
            assert (ROOT / source).exists() or source == "./deploy/acme"
        else:
            assert source in COMPOSE["volumes"]


def test_nothing_is_declared_for_nobody() -> None:
    """Every network, volume and secret is used."""
    for section in ("networks", "secrets"):
        used = {item for service in SERVICES.values() for item in names(service.get(section))}
        assert used == COMPOSE[section].keys()
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted >= COMPOSE["volumes"].keys()


@each_service
def test_only_nginx_is_reachable(name: str) -> None:
    """Only the two nginx publish ports; of the rest only the edge has a way out of its internal networks."""
    service = SERVICES[name]
    assert ("ports" in service) == (name in TEMPLATES)
    assert "network_mode" not in service
    open_networks = {item for item in names(service["networks"]) if not COMPOSE["networks"][item].get("internal")}
    assert open_networks == {"edge": {"uplink"}, "nginx": {"lan_front"}, "relay-nginx": {"relay_front"}}.get(
        name, set()
    )


@each_service
def test_every_service_is_bounded_and_watched(name: str) -> None:
    """A pinned image, a health check, a restart policy, limits of memory, processes and log, no new privileges."""
    service = SERVICES[name]
    assert re.fullmatch(r"[a-z/-]+:[a-z0-9.-]+", service["image"])
    assert not service["image"].endswith(":latest")
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    if name != "mariadb":  # its image begins as root to hand its folder over
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


@each_service
def test_settings_are_known_and_secrets_are_files(name: str) -> None:
    """Each setting is on the settings page; what is secret is a file that this service gets."""
    service = SERVICES[name]
    targets = secret_targets(service) if "secrets" in service else {}
    used = set()
    for setting, value in service.get("environment", {}).items():
        if setting.startswith("WALLPORT_"):
            assert f"`{setting.removesuffix('_FILE')}`" in SETTINGS_PAGE
        if setting.endswith("_FILE") or value.startswith("/run/secrets/"):
            assert value in targets
            used.add(value)
        assert not re.search(r"://[^/]*:[^/]*@", value)
    command = " ".join(texts(service.get("command", "")))
    assert {target for target in targets if target not in command} == used
    for variable in re.findall(r"(?<!\$)\$\{(\w+)", " ".join(texts(service))):
        assert f"`{variable}`" in SETTINGS_PAGE


def test_the_proxies_trusted_are_the_nginx_in_front() -> None:
    """Fixed addresses: the proxy that is believed and the upstream that is dialled are the right containers."""
    for proxy, behind, network, prefix, port in (
        ("nginx", "api", "lan_web", "WALLPORT_API", 8080),
        ("relay-nginx", "relay", "relay_web", "WALLPORT_RELAY", 8090),
    ):
        (pool,) = COMPOSE["networks"][network]["ipam"]["config"]
        subnet = ipaddress.ip_network(pool["subnet"])
        gateway = next(subnet.hosts())
        addresses = {ipaddress.ip_address(address(service, network)) for service in (proxy, behind)}
        assert len(addresses) == 2
        assert all(item in subnet and item != gateway for item in addresses)
        environment = SERVICES[behind]["environment"]
        assert environment[f"{prefix}_TRUSTED_PROXIES"] == address(proxy, network)
        assert environment[f"{prefix}_PORT"] == str(port)
        assert SERVICES[proxy]["environment"]["WALLPORT_NGINX_UPSTREAM"] == f"{address(behind, network)}:{port}"


@pytest.mark.parametrize(("service", "template"), TEMPLATES.items())
def test_templates_get_all_their_names(service: str, template: str) -> None:
    """nginx is given every name in its template and none else, and listens on what is published."""
    environment = SERVICES[service]["environment"]
    code = re.sub(r"#.*", "", (ROOT / "nginx" / template).read_text())
    needed = set(re.findall(r"\$\{(\w+)\}", code))
    assert needed == {name for name in environment if name.startswith("WALLPORT_")}
    assert all(re.match(environment["NGINX_ENVSUBST_FILTER"], name) for name in needed)
    published = {port.rpartition(":")[2] for port in SERVICES[service]["ports"]}
    assert published == {
        environment[name] for name in needed if name in ("WALLPORT_NGINX_HTTPS", "WALLPORT_NGINX_HTTP")
    }
    assert f"./nginx/{template}:/etc/nginx/templates/{template}.template:ro" in SERVICES[service]["volumes"]


def test_redis_asks_for_the_password_from_its_file(tmp_path: Path) -> None:
    """The very command, on a real redis-server: strangers are refused, and no argument holds the password."""
    shell, option, script = SERVICES["redis"]["command"]
    (tmp_path / "redis_password").write_text("s3cret\n")
    with reserved_port() as port:
        script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path)).replace("port 6379", f"port {port}")
        process = ServerProcess([shell, option, script], tmp_path / "log", lambda: accepts(port))
        with process.running():
            with (
                redis.Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0)) as stranger,
                pytest.raises(redis.AuthenticationError),
            ):
                stranger.ping()
            with redis.Redis(host="127.0.0.1", port=port, password="s3cret") as client:
                assert client.ping()
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert b"redis-server" in arguments
            assert b"s3cret" not in arguments


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


def test_the_image_is_built_from_what_enters_the_build() -> None:
    """.dockerignore lets in every package and every file that the Dockerfile names, and no secret."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    (copied,) = re.findall(r"^COPY (pyproject.*) \./$", dockerfile, re.MULTILINE)
    (packages,) = re.findall(r"for name in ([\w ]+);", dockerfile)
    assert allowed == {*copied.split(), *packages.split()}
    assert set(packages.split()) == {"common", "edge", "api", "relay", "simulator"}
    assert "USER wallport" in dockerfile


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
