"""docs/deploy.md's way with Docker, followed on two machines with Debian 13: every command, as it stands there."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.drills.conftest import Surroundings
from tests.drills.story import CERTBOT_INI, GITCONFIG, PASSWORD, anna_logs_in, newer_version, shows_the_web_app
from tests.kit import debian_root, drill_docker
from tests.kit.booted import Machine, booted
from tests.kit.deploy_page import commands
from tests.kit.waiting import eventually

pytestmark = pytest.mark.timeout(2400)

HEALTHY_WITHIN_S = 240.0
PACKAGES = ("git", "openssl", "curl", "docker.io", "docker-cli", "docker-compose", "certbot")


@pytest.fixture(scope="module")
def machines(kept: Path, folder: Path, servers_root: Path, surroundings: Surroundings) -> Iterator[dict[str, Machine]]:
    """Two machines with Debian 13; Docker is not installed yet, but its images are at hand once it is."""
    why = drill_docker.why_no_wheels()
    if why:
        pytest.skip(why)
    root = debian_root.debian_root(kept, "trixie", fetched=PACKAGES)
    files = {"/root/.config/letsencrypt/cli.ini": CERTBOT_INI, "/root/.gitconfig": GITCONFIG}
    with ExitStack() as context:
        machines = {}
        for name in ("home", "relay"):
            place = surroundings.places[name]
            machine = context.enter_context(
                booted(root, folder / name, place, docker_folder=folder / name / "docker", files=files)
            )
            drill_docker.trust(machine, surroundings.authority)
            drill_docker.bring_repository(machine)
            machines[name] = machine
        yield machines


def test_the_page_with_docker(machines: dict[str, Machine], kept: Path, servers_root: Path) -> None:
    """Both sides come up, serve HTTPS, are joined, backed up, updated, taken back, and restored on an empty machine."""
    stocked = drill_docker.stock(kept)
    home, relay = machines["home"], machines["relay"]
    at_home, at_relay = home.reader(), relay.reader()

    fetch, secrets, env, start, look = commands("Home, with Docker")
    at_home.types(fetch.text)
    drill_docker.bring_images(home, servers_root, stocked)
    at_home.types(secrets.text)
    at_home.types("echo WALLPORT_API_AUDIT_DAYS=30 >> .env")
    assert "no effect" not in at_home.types(env.text)
    at_home.types(start.text)
    all_healthy(home, "edge", 5)
    shown = at_home.types(look.text)
    assert '"ok"' in shown
    assert re.search(r"(?m)^mqtt +ok", shown)
    assert "https://192.168.1.20/" in shown
    assert shows_the_web_app(home)
    assert "WALLPORT_API_AUDIT_DAYS=30" in inside(home, "docker compose exec -T api env")
    inside(
        home, f"echo {PASSWORD} | docker compose exec -T api wallport-api user add anna --role viewer --password-file -"
    )

    fetch, start, certify, look = commands("Relay, with Docker")
    at_relay.types(fetch.text)
    drill_docker.bring_images(relay, servers_root, stocked)
    assert "no effect" not in at_relay.types(start.text)
    all_healthy(relay, "relay", 3)
    at_relay.types(certify.text)
    eventually(lambda: is_trusted(relay), HEALTHY_WITHIN_S, "nginx having taken the new certificate", every_s=1)
    assert '"ok"' in at_relay.types(look.text)

    add, enrol, tell = commands("Joining the two")
    code = re.findall(r"[A-Z0-9]{4}(?:-[A-Z0-9]{4})+", at_relay.types(add.text))[-1]
    at_home.types(enrol.text.replace("CODE", code))
    at_home.types(tell.text)
    outside = "https://relay.example.org/s/home"
    eventually(lambda: anna_logs_in(relay, outside), HEALTHY_WITHIN_S, "a login through the relay", every_s=2)

    keep, restore, update = commands("Backup, restore and updates of the home side, with Docker")
    authority = (home.files / "opt/wallport/deploy/secrets/lan_ca.pem").read_text()
    at_home.types(keep.text)
    before = inside(home, "git rev-parse HEAD")
    newer_version(home)
    at_home.types(update.text)
    assert inside(home, "git rev-parse HEAD") != before
    all_healthy(home, "edge", 5)
    inside(
        home, f"echo {PASSWORD} | docker compose exec -T api wallport-api user add otto --role viewer --password-file -"
    )
    at_home.types(restore.text)
    assert inside(home, "git rev-parse HEAD") == before
    all_healthy(home, "edge", 5)
    assert "otto" not in inside(home, "docker compose exec -T api wallport-api user list")
    eventually(lambda: anna_logs_in(relay, outside), HEALTHY_WITHIN_S, "a login after the way back", every_s=2)

    inside(
        home, "docker compose --profile edge down --volumes && docker image rm wallport:local && rm -rf /opt/wallport"
    )
    at_home = home.reader()
    at_home.types(commands("Home, with Docker")[0].text)
    at_home.types(restore.text)
    all_healthy(home, "edge", 5)
    assert (home.files / "opt/wallport/deploy/secrets/lan_ca.pem").read_text() == authority
    eventually(lambda: anna_logs_in(relay, outside), HEALTHY_WITHIN_S, "a login after the restore", every_s=2)

    keep, restore, update = commands("Backup, restore and updates of the relay, with Docker")
    at_relay.types(keep.text)
    newer_version(relay)
    at_relay.types(update.text)
    all_healthy(relay, "relay", 3)
    inside(relay, "docker compose --profile relay down --volumes")
    at_relay.types(restore.text)
    all_healthy(relay, "relay", 3)
    eventually(lambda: anna_logs_in(relay, outside), HEALTHY_WITHIN_S, "a login through the restored relay", every_s=2)


def is_trusted(relay: Machine) -> bool:
    return "trusted" in relay.run("curl -sS -o /dev/null https://relay.example.org/healthz && echo trusted || true")


def inside(machine: Machine, command: str) -> str:
    """A command of the drill's own in the folder of the installation."""
    return machine.run(f"cd /opt/wallport && {command}")


def all_healthy(machine: Machine, profile: str, count: int) -> None:
    """Wait until every service of the profile says so."""

    def states() -> list[str]:
        lines = inside(machine, f"docker compose --profile {profile} ps --all --format json").splitlines()
        return [json.loads(line)["Health"] for line in lines if line.startswith("{")]

    try:
        eventually(lambda: states() == ["healthy"] * count, HEALTHY_WITHIN_S, "all services being healthy", every_s=2)
    except AssertionError as exc:
        logs = inside(
            machine, f"docker compose --profile {profile} ps --all; docker compose --profile {profile} logs --tail 40"
        )
        raise AssertionError(f"{exc}\n{logs}") from None
