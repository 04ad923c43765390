"""docs/deploy.md's way with systemd, followed on two machines with Debian 12: every command, as it stands there."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.drills.conftest import Surroundings
from tests.drills.story import CERTBOT_INI, GITCONFIG, PASSWORD, anna_logs_in, newer_version, shows_the_web_app
from tests.kit import debian_root, drill_docker
from tests.kit.booted import CommandFailed, Machine, booted
from tests.kit.deploy_page import commands
from tests.kit.waiting import eventually

pytestmark = pytest.mark.timeout(2400)

WITHIN_S = 120.0
PACKAGES = (
    "git",
    "openssl",
    "curl",
    "python3-venv",
    "redis-server",
    "mariadb-server",
    "nginx",
    "gettext-base",
    "certbot",
)
PIP = "[global]\nno-index = true\nfind-links = /srv/wheels\n"
OUTSIDE = "https://relay.example.org/s/home"
CODE = r"[A-Z0-9]{4}(?:-[A-Z0-9]{4})+"
ADD_USER = f"echo {PASSWORD} | wallport-api user add {{}} --role viewer --password-file -"


@pytest.fixture(scope="module")
def machines(kept: Path, folder: Path, surroundings: Surroundings) -> Iterator[dict[str, Machine]]:
    """Two machines with Debian 12, packages and wheels at hand for `apt install` and pip without a network."""
    why = drill_docker.why_no_wheels()
    if why:
        pytest.skip(why)
    root = debian_root.debian_root(kept, "bookworm", fetched=PACKAGES)
    stocked = drill_docker.stock(kept)
    files = {"/root/.config/letsencrypt/cli.ini": CERTBOT_INI, "/root/.gitconfig": GITCONFIG, "/etc/pip.conf": PIP}
    with ExitStack() as context:
        machines = {}
        for name in ("home", "relay"):
            place = surroundings.places[name]
            machine = context.enter_context(booted(root, folder / name, place, files=files, wheels=stocked.wheels))
            drill_docker.trust(machine, surroundings.authority)
            drill_docker.bring_repository(machine)
            shutil.copytree(stocked.npm, machine.files / "root/.npm")
            (machine.files / "root/.npm/npmrc").rename(machine.files / "root/.npmrc")
            machines[name] = machine
        yield machines


def test_the_page_with_systemd(machines: dict[str, Machine]) -> None:
    """Both sides come up, serve HTTPS, are joined, backed up, updated, taken back, and restored on an empty machine."""
    home, relay = machines["home"], machines["relay"]
    at_home, at_relay = home.reader(), relay.reader()

    fetch_home, database, settings, front, look_home = commands("Home, with systemd")
    at_home.types(fetch_home.text)
    assert_refused(home, "wallport-edge", "WALLPORT_EDGE_MQTT_URL")
    for block in (database, settings, front):
        at_home.types(block.text)
    is_well(home)
    shown = at_home.types(look_home.text)
    assert '"ok"' in shown
    assert "https://192.168.1.20/" in shown
    assert shows_the_web_app(home)
    home.run(ADD_USER.format("anna"))

    fetch, name, certify, look = commands("Relay, with systemd")
    at_relay.types(fetch.text)
    assert_refused(relay, "wallport-relay", "WALLPORT_RELAY_ORIGIN")
    for block in (name, certify):
        at_relay.types(block.text)
    assert '"ok"' in at_relay.types(look.text)

    add, enrol = commands("Joining the two, with systemd")
    code = re.findall(CODE, at_relay.types(add.text))[-1]
    with misnamed(relay), pytest.raises(CommandFailed, match=r"calls itself https://other\.example\.org .* asked as"):
        home.run(f"wallport-edge enroll --relay https://relay.example.org --code {code}")
    at_home.types(enrol.text.replace("CODE", code))
    eventually(lambda: anna_logs_in(relay, OUTSIDE), WITHIN_S, "a login through the relay", every_s=1)

    keep, restore, update = commands("Backup, restore and updates of the home side, with systemd")
    before = home.run("git -C /opt/wallport rev-parse HEAD")
    at_home.types(keep.text)
    newer_version(home, "git mv common/allocator.py common/allocated.py && sed -i s/allocator/allocated/ */__main__.py")
    at_home.types(update.text)
    assert modules(home, "common.alloc") == ["allocated"]  # nothing of the older version is left behind
    is_well(home)
    home.run(ADD_USER.format("otto"))
    at_home.types(restore.text)
    assert home.run("git -C /opt/wallport rev-parse HEAD") == before
    assert modules(home, "common.alloc") == ["allocator"]
    is_well(home)
    assert "otto" not in home.run("wallport-api user list")
    eventually(lambda: anna_logs_in(relay, OUTSIDE), WITHIN_S, "a login after the way back", every_s=1)

    home.run(
        "systemctl disable --now wallport-edge wallport-api wallport-redis@wallport; userdel wallport; mariadb -e '"
        "DROP DATABASE wallport; DROP USER wallport@localhost'; rm -rf /opt/wallport /etc/wallport /var/lib/wallport-* "
        "/etc/systemd/system/wallport-* /usr/local/bin/wallport-* /etc/nginx/conf.d/wallport-lan.conf; "
        "systemctl daemon-reload; systemctl reload nginx"
    )
    at_home = home.reader()
    at_home.types(fetch_home.text)
    at_home.types(restore.text)
    is_well(home)
    at_home.types(look_home.text.partition("wallport-api")[0])
    eventually(lambda: anna_logs_in(relay, OUTSIDE), WITHIN_S, "a login after the restore", every_s=1)

    keep, restore, update = commands("Backup, restore and updates of the relay, with systemd")
    at_relay.types(keep.text)
    before = relay.run("git -C /opt/wallport rev-parse HEAD")
    newer_version(relay)
    at_relay.types(update.text)
    assert relay.run("git -C /opt/wallport rev-parse HEAD") != before
    eventually(lambda: anna_logs_in(relay, OUTSIDE), WITHIN_S, "a login through the newer relay", every_s=1)
    at_relay.types(restore.text)
    eventually(lambda: anna_logs_in(relay, OUTSIDE), WITHIN_S, "a login through the restored relay", every_s=1)

    (hand_over,) = commands("The relay without a failed request")
    at_relay.types(hand_over.text)
    assert anna_logs_in(relay, OUTSIDE)
    assert relay.run("systemctl is-active wallport-relay-b wallport-relay || true").split() == ["active", "inactive"]

    life_of_a_site(home, relay)


@contextmanager
def misnamed(relay: Machine) -> Iterator[None]:
    """The owner has given the relay another name than the one by which it is reached."""
    change = "sed -i 's|//{}.example|//{}.example|' /etc/wallport/relay.env && systemctl restart wallport-relay"
    relay.run(change.format("relay", "other"))
    yield
    relay.run(change.format("other", "relay"))


def life_of_a_site(home: Machine, relay: Machine) -> None:
    """What the table of that name says, with its commands."""

    def enrol() -> None:
        code = re.findall(CODE, relay.run("wallport-relay site new-code home"))[-1]
        home.run(f"wallport-edge enroll --relay https://relay.example.org --code {code}")

    relay.run("wallport-relay site revoke home")
    eventually(lambda: not anna_logs_in(relay, OUTSIDE), WITHIN_S, "the site being out", every_s=1)
    enrol()
    eventually(lambda: anna_logs_in(relay, OUTSIDE), WITHIN_S, "the site being back", every_s=1)
    home.run("wallport-edge rotate-key")
    eventually(lambda: anna_logs_in(relay, OUTSIDE), WITHIN_S, "the site with its new key", every_s=1)
    relay.run("wallport-relay site rename home cabin")
    elsewhere = OUTSIDE.replace("/home", "/cabin")
    eventually(lambda: anna_logs_in(relay, elsewhere), WITHIN_S, "the site by its other name", every_s=1)
    assert re.search(r"(?m)^cabin +enrolled \S+ +online", relay.run("wallport-relay site list"))
    relay.run("wallport-relay site remove cabin")
    eventually(lambda: not anna_logs_in(relay, elsewhere), WITHIN_S, "the site being forgotten", every_s=1)


def is_well(home: Machine) -> None:
    """Wait until the edge says that nothing is failing."""

    def health() -> bool:
        try:
            return bool(re.search(r"(?m)^mqtt +ok", home.run("wallport-edge health")))
        except CommandFailed:
            return False

    try:
        eventually(health, WITHIN_S, "the edge being well", every_s=1)
    except AssertionError as exc:
        logs = home.run("wallport-edge health; journalctl --no-pager -n 60 -u 'wallport-*'")
        raise AssertionError(f"{exc}\n{logs}") from None


def assert_refused(machine: Machine, product: str, setting: str) -> None:
    """What only the owner knows is not preset: without it the product names it and does not start."""
    with pytest.raises(CommandFailed, match=f"{setting} is missing"):
        machine.run(f"{product} check-config")


def modules(machine: Machine, package: str) -> list[str]:
    """The installed modules of this beginning."""
    folder, _, beginning = package.rpartition(".")
    found = machine.run(f"ls /opt/wallport/.venv/lib/python3*/site-packages/{folder}/{beginning}*.py")
    return [Path(line).stem for line in found.split()]
