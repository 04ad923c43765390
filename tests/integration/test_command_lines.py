"""What all three products' command lines have in common, as processes."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
DATABASE = {
    "edge": "WALLPORT_DATABASE_URL",
    "api": "WALLPORT_DATABASE_URL",
    "relay": "WALLPORT_RELAY_DATABASE_URL",
}


def call(product: str, folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end, with settings that are good but for `environ`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}
    good = {
        "WALLPORT_EDGE_MQTT_URL": "mqtt://127.0.0.1",
        "WALLPORT_DATABASE_URL": f"sqlite://{folder / 'site.sqlite'}",
        "WALLPORT_DATA_DIR": str(folder / "data"),
    }
    own = {name: value for name, value in good.items() if product in name.lower() or "EDGE" not in name}
    return subprocess.run(
        [sys.executable, "-m", product, *arguments],
        env=inherited | own | environ,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_console_script_tells_its_version(script: str) -> None:
    """By its entry point, since that is what people type."""
    module, _, function = SCRIPTS[script].partition(":")
    program = f"import sys; sys.argv = ['{script}', '--version']; from {module} import {function} as f; f()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=True
    )
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert done.stdout == f"wallport {version}\n"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2/x@h/d",
        "mysql://u:hunter2#x@h/d",
        "mysql://u:hunter2@h/d/e",
        "mysql://h/d",
        "sqlite://a.sqlite",
    ],
)
@pytest.mark.parametrize("product", DATABASE)
def test_run_and_check_config_refuse_the_same_database(product: str, url: str, tmp_path: Path) -> None:
    """With exit code 2, which tells systemd not to try again; the same words, none of them the password."""
    checked, run = (call(product, tmp_path, verb, **{DATABASE[product]: url}) for verb in ("check-config", "run"))
    assert (checked.returncode, run.returncode) == (2, 2), run.stderr
    assert checked.stderr == run.stderr
    assert checked.stderr.startswith(f"{DATABASE[product]} must be mysql://")
    assert "hunter2" not in checked.stderr
    assert ("%2F" in checked.stderr) == ("@" in url)


@pytest.mark.parametrize("product", DATABASE)
def test_an_at_sign_in_the_password_is_understood_by_both(product: str, tmp_path: Path) -> None:
    """The last one ends the password, as in every URL."""
    url = "mysql://u:p@ss@127.0.0.1:1/d"
    assert call(product, tmp_path, "check-config", **{DATABASE[product]: url}).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read a file")
@pytest.mark.parametrize("product", DATABASE)
def test_a_secret_that_may_not_be_read_is_not_called_missing(product: str, tmp_path: Path) -> None:
    """The user is named: the file's owner or group is what must be put right."""
    secret = tmp_path / "database_url"
    secret.write_text("mysql://u:hunter2@h/d")
    secret.chmod(0o600)
    setting = f"{DATABASE[product]}_FILE"
    program = f"import os; from {product}.__main__ import main; os.setuid(65534); main()"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}
    more = {"WALLPORT_EDGE_MQTT_URL": "mqtt://127.0.0.1"} if product == "edge" else {}
    done = subprocess.run(
        [sys.executable, "-c", program, "check-config"],
        env=inherited | more | {setting: str(secret)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, f"{setting} names a file that the user nobody may not read\n")


def test_printed_commands_can_be_typed_as_they_stand(tmp_path: Path) -> None:
    """For the other machine in both ways; for this one as the image says; compose names its services like products."""
    for environ, prefix in (({}, ""), ({"WALLPORT_IN_CONTAINER": "true"}, "docker compose exec relay ")):
        name = f"home{len(prefix)}"
        added = call("relay", tmp_path, "site", "add", name, **environ).stdout
        code = re.findall(r"(?m)^code: (\S+)$", added)[0]
        enrol = f"enroll --relay http://127.0.0.1:8090 --code {code}"
        assert re.findall(r"(?m)^  (.*)$", added) == [
            f"wallport-edge {enrol}",
            f"docker compose exec edge wallport-edge {enrol}",
        ]
        revoked = call("relay", tmp_path, "site", "revoke", name, **environ).stdout
        assert f"`{prefix}wallport-relay site new-code {name}`" in revoked
        again = shlex.split(revoked.partition("`")[2].partition("`")[0].removeprefix(prefix))
        assert again.pop(0) in SCRIPTS
        assert call("relay", tmp_path, *again, **environ).returncode == 0
    image = (REPOSITORY / "deploy" / "Dockerfile").read_text()
    assert "WALLPORT_IN_CONTAINER=true" in image
    services = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    assert {"edge", "api", "relay"} <= set(services)


def test_a_container_does_not_pretend_to_know_its_address(tmp_path: Path) -> None:
    """Inside it are addresses that no browser reaches."""
    link = call("api", tmp_path, "setup-link", WALLPORT_IN_CONTAINER="true", WALLPORT_API_HOST="0.0.0.0")
    assert link.stdout.startswith("https://ADDRESS-OF-THIS-MACHINE/setup#"), link.stderr
    assert "WALLPORT_API_LAN_URL" in link.stderr
