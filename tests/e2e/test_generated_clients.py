"""Five generators make clients of the OpenAPI document; each is compiled strictly, and used on the demo.

The programs that use them stand in tests/clients. What Java runs is skipped where there is none.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api import openapi
from tests.kit import generators
from tests.kit.demo import RunningDemo, start_demo
from tests.kit.generators import CLIENTS, Generators

pytestmark = pytest.mark.timeout(600)  # the first time everything is installed

TYPESCRIPT = {"openapi-typescript": "use_openapi_typescript", "hey-api": "use_hey_api"}
PYTHON = {"openapi-python-client": "use_openapi_python_client"}
BY_JAVA = {"typescript-fetch": "use_typescript_fetch", "openapi-generator-python": "use_openapi_generator"}
PROGRAMS = TYPESCRIPT | PYTHON | BY_JAVA

DOCUMENT, LEGACY = "openapi.json", "openapi-legacy.json"
USING_S = 60.0


@dataclass(frozen=True, slots=True)
class Made:
    """The folder with all clients and the programs that use them."""

    folder: Path
    tools: Generators

    def check(self, name: str) -> None:
        if name in BY_JAVA and self.tools.java is None:
            pytest.skip(self.tools.why_no_java)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """Begins at once, and gets ready while clients are made."""
    running = start_demo(tmp_path_factory.mktemp("demo") / "here", history_days=1)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, demo: RunningDemo) -> Made:
    """A client of each generator; fails with the words of one that refuses the document or warns.

    Of the existing app's document one generator makes a client, which nobody needs.
    """
    tools = generators.installed()
    folder = tmp_path_factory.mktemp("clients")
    shutil.copytree(CLIENTS, folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(tools.modules)
    (folder / DOCUMENT).write_bytes(msgspec.json.encode(openapi.document()))
    (folder / LEGACY).write_bytes(msgspec.json.encode(openapi.legacy_document()))
    generators.run_all(_making(tools), folder)
    return Made(folder, tools)


def _making(tools: Generators) -> Mapping[str, list[str]]:
    bin_of_node = tools.modules / ".bin"
    commands = {
        "openapi-typescript": [
            str(bin_of_node / "openapi-typescript"),
            DOCUMENT,
            "-o",
            "openapi-typescript/schema.d.ts",
        ],
        "hey-api": [str(bin_of_node / "openapi-ts"), "-i", DOCUMENT, "-o", "hey-api"],
        "openapi-python-client": [
            *(str(tools.python), "-m", "openapi_python_client", "generate", "--path", DOCUMENT, "--meta", "none"),
            *("--output-path", "wallport_client", "--config", "openapi_python_client.yaml", "--fail-on-warning"),
        ],
        "legacy": [
            *(str(tools.python), "-m", "openapi_python_client", "generate", "--path", LEGACY, "--meta", "none"),
            *("--output-path", "legacy_client", "--fail-on-warning"),
        ],
    }
    if tools.java is not None:
        java = [tools.java, *generators.FAST_START, "-jar", str(tools.jar)]
        commands["openapi-generator"] = [*java, "batch", "--fail-fast", "typescript_fetch.yaml", "python.yaml"]
    return commands


@pytest.fixture(scope="module")
def compiled(made: Made) -> Made:
    """All of them, and the programs that use them, by the strictest rules."""
    programs = [*PYTHON.values()]
    packages = ["wallport_client"]
    if made.tools.java is None:
        (made.folder / "use_typescript_fetch.ts").unlink()
    else:
        programs.append(BY_JAVA["openapi-generator-python"])
        packages.append("openapi_client")
    mypy = ["mypy", "--python-executable", str(made.tools.python), "--config-file", "mypy.ini", "--no-incremental"]
    commands = {
        "tsc": [str(made.tools.modules / ".bin" / "tsc"), "-p", "."],
        "mypy": [*mypy, *(f"{name}.py" for name in programs), *packages],
    }
    generators.run_all(commands, made.folder)
    return made


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_client_of_each_generator_compiles_and_works(compiled: Made, demo: RunningDemo, name: str) -> None:
    """It logs in, reads, wishes for a limit until the wallbox shows it, gets a file, and is refused by a typed code."""
    compiled.check(name)
    ready = demo.ready()
    user = ready["users"]["driver"]
    # Half of them through the relay, where no path begins at the root.
    base_url = ready["lan_url"] if name in TYPESCRIPT else ready["relay_site_url"]
    limit_wh = 1000 * (11 + list(PROGRAMS).index(name))
    program = PROGRAMS[name]
    if (compiled.folder / f"{program}.py").exists():
        command = [str(compiled.tools.python), f"{program}.py"]
    else:
        command = [generators.node(), f"js/{program}.js"]
    done = subprocess.run(
        [*command, base_url, "driver", user["password"], str(limit_wh)],
        cwd=compiled.folder,
        capture_output=True,
        text=True,
        timeout=USING_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout)
    assert isinstance(told.pop("powerW"), int | float)
    assert told.pop("samples") > 100
    assert told == {
        **_known(base_url, user["password"]),
        "status": "confirmed",
        "limitWh": limit_wh,
        "pdf": "%PDF-",
        "code": "unknown_charge_point",
    }


def _known(base_url: str, password: str) -> dict[str, Any]:
    """The same without any client."""
    with httpx.Client(base_url=base_url, trust_env=False) as http:
        login = http.post("/api/v1/auth/login", json={"username": "driver", "password": password}).json()
        http.headers["authorization"] = f"Bearer {login['access_token']}"
        points = http.get("/api/v1/chargepoints").json()["items"]
        sessions = http.get("/api/v1/sessions?limit=2").json()["items"]
        return {
            "site": http.get("/api/v1/site").json()["name"],
            "chargePoints": [point["id"] for point in points],
            "session": sessions[0]["started_at"],
        }
