"""The systemd units and their example settings name only what exists."""

import re
import tomllib
from configparser import RawConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text()
PRODUCTS = ("edge", "api", "relay")


def unit(product: str) -> dict[str, list[str]]:
    """The [Service] section: each key's values, since systemd allows a key several times."""
    section: dict[str, list[str]] = {}
    lines = (FOLDER / f"wallport-{product}.service").read_text().partition("[Service]")[2].partition("[Install]")[0]
    for line in lines.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return section


def settings(product: str) -> dict[str, str]:
    """The example environment file."""
    reader = RawConfigParser()
    reader.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
    reader.read_string("[env]\n" + (FOLDER / f"{product}.env").read_text())
    return dict(reader["env"])


@pytest.mark.parametrize("product", PRODUCTS)
def test_unit_runs_its_product(product: str) -> None:
    """The command is a console script of the package; its user and folder are its own."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    section = unit(product)
    assert f"wallport-{product}" in scripts
    assert section["ExecStart"] == [f"/opt/wallport/.venv/bin/wallport-{product} run"]
    assert section["EnvironmentFile"] == [f"/etc/wallport/{product}.env"]
    users = re.findall(r"^u (\S+)", (FOLDER / "wallport.sysusers.conf").read_text(), re.MULTILINE)
    assert section["User"][0] in users
    assert settings(product)["WALLPORT_DATA_DIR"] == f"/var/lib/{section['StateDirectory'][0]}"


@pytest.mark.parametrize("product", PRODUCTS)
def test_unit_is_hardened_and_restarts(product: str) -> None:
    """It comes back after a failure, but not with bad settings, and may write to its own folders alone.

    RestartPreventExitStatus= is about the main process (systemd.service(5)), so nothing else may look at settings.
    """
    section = unit(product)
    assert section["Restart"] == ["always"]
    assert section["RestartPreventExitStatus"] == ["2"]
    assert not [key for key in section if key in ("ExecStartPre", "ExecCondition", "ExecStartPost")]
    assert section["ProtectSystem"] == ["strict"]
    assert section["NoNewPrivileges"] == ["yes"]
    assert section["CapabilityBoundingSet"] == [""]
    assert int(section["LimitNOFILE"][0]) >= 1024
    assert ("IPAddressDeny" in section) == (product != "edge")


@pytest.mark.parametrize("product", PRODUCTS)
def test_example_settings_are_on_the_settings_page(product: str) -> None:
    """Every name in the example is documented, and no secret stands in it."""
    for name, value in settings(product).items():
        assert f"`{name.removesuffix('_FILE')}`" in SETTINGS_PAGE
        assert not re.search(r"://[^/]*:[^/]*@", value)


def test_edge_and_api_meet_at_the_same_socket() -> None:
    """The api listens where the edge connects, in a folder that outlives the restart of either."""
    path = settings("api")["WALLPORT_API_RELAY_SOCKET"]
    assert settings("edge")["WALLPORT_EDGE_API_SOCKET"] == path
    assert unit("api")["User"] == unit("edge")["User"]
    for product in ("edge", "api"):
        assert path == f"/run/{unit(product)['RuntimeDirectory'][0]}/api.sock"
        assert unit(product)["RuntimeDirectoryPreserve"] == ["yes"]
