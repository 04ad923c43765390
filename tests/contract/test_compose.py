"""docker-compose.yml against the Compose Specification's schema, and everything in it that refers to something else."""

import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.kit.compose_file import ROOT, load
from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess, accepts

SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text()


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
        if value is None:  # passed on from .env; what is secret never goes that way
            assert f"`{setting}`" in SETTINGS_PAGE
            assert not setting.endswith(("_PASSWORD", "_URL_FILE", "REDIS_URL", "DATABASE_URL"))
            continue
        is_path = f"`{setting}`" in SETTINGS_PAGE and setting.endswith("_FILE")  # its own name ends so
        if setting.startswith("WALLPORT_"):
            assert is_path or f"`{setting.removesuffix('_FILE')}`" in SETTINGS_PAGE
        if (setting.endswith("_FILE") and not is_path) or value.startswith("/run/secrets/"):
            assert value in targets
            used.add(value)
        assert not re.search(r"://[^/]*:[^/]*@", value)
    command = " ".join(texts(service.get("command", "")))
    assert {target for target in targets if target not in command} == used
    for variable in re.findall(r"(?<!\$)\$\{(\w+)", " ".join(texts(service))):
        assert f"`{variable}`" in SETTINGS_PAGE


@pytest.mark.parametrize("product", ["edge", "api", "relay"])
def test_every_setting_of_a_product_reaches_it(product: str) -> None:
    """Nothing on the settings page is dropped on its way from .env: it is passed on, or fixed, or named here."""
    shared, own = (
        SETTINGS_PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0] for title in ("Shared", product.title())
    )
    documented = set(re.findall(r"(?m)^\| `(WALLPORT_\w+)`", own))
    for name, readers in re.findall(r"(?m)^\| `(WALLPORT_\w+)` \| ([\w, ]+) \|", shared):
        if readers == "all" or product in readers.split(", "):
            documented.add(name)
    assert len(documented) > 10
    given = SERVICES[product]["environment"]
    lost = {name for name in documented if name not in given and f"{name}_FILE" not in given}
    # What the image sets itself, and the relay's database in its folder, whose URL would hold a password.
    own_to_image = {"WALLPORT_DATA_DIR", "WALLPORT_IN_CONTAINER"} & documented
    assert lost == own_to_image | ({"WALLPORT_RELAY_DATABASE_URL"} if product == "relay" else set())


def test_folders_in_memory_can_be_written() -> None:
    """Docker mounts a tmpfs as root's with the rights of the image's folder: one that all may write says so, or the
    owner is named. /tmp is open to all in every image."""
    mounts = {mount for service in SERVICES.values() for mount in service.get("tmpfs", [])}
    assert mounts == {"/tmp", "/data:mode=1777", "/etc/nginx/conf.d:uid=101,gid=101,mode=0755"}


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


def test_the_image_is_built_from_what_enters_the_build() -> None:
    """.dockerignore lets in every package and every file that the Dockerfile names, and no secret."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    (copied,) = re.findall(r"^COPY (pyproject.*) \./$", dockerfile, re.MULTILINE)
    (packages,) = re.findall(r"for name in ([\w ]+);", dockerfile)
    ours = re.findall(r"^COPY ((?:web|deploy/\S+)) \S+$", dockerfile, re.MULTILINE)
    assert allowed == {*copied.split(), *packages.split(), *ours}
    assert "deploy/build-web.sh" in ours
    assert set(packages.split()) == {"common", "edge", "api", "relay", "simulator"}
    assert "USER wallport" in dockerfile
