"""`wallport-demo` as a newcomer uses it: it gets ready, its printed commands work, Ctrl-C leaves nothing."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pyotp
import pytest

from tests.kit import servers
from tests.kit.demo import READY_WITHIN_S, RunningDemo, exists, run_to_the_end, start_demo
from tests.kit.ports import reserved_port
from tests.kit.servers import Broker
from tests.kit.waiting import eventually

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = start_demo(tmp_path_factory.mktemp("demo") / "here", history_days=1)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end()


def test_printed_curl_commands_work_as_they_stand(demo: RunningDemo) -> None:
    """Each of the three lines, given to a shell, answers with the JSON that it promises."""
    demo.ready()
    lines = re.findall(r"(?m)^\s*(curl .*)$", demo.output.read_text())
    answers = [json.loads(subprocess.check_output(["/bin/sh", "-c", line], text=True, timeout=20)) for line in lines]
    assert len(answers) == 3
    login, state, charge_points = answers
    assert login["access_token"]
    assert state["is_stale"] is False
    assert state["grid"]["power_w"] is not None
    assert charge_points["items"]


def test_ready_file_has_the_documented_shape(demo: RunningDemo) -> None:
    """URLs, site, users of each role with a working password, the admin's TOTP secret, and living pids."""
    ready = demo.ready()
    assert set(ready) == {"lan_url", "relay_url", "relay_site_url", "site", "mqtt_url", "users", "pids"}
    assert demo.ready_file.stat().st_mode & 0o077 == 0
    assert {"broker", "redis", "simulator", "relay", "api", "edge"} <= set(ready["pids"])
    assert all(exists(pid) for pid in ready["pids"].values())
    for base_url in (ready["lan_url"], ready["relay_site_url"]):
        for name, user in ready["users"].items():
            body = {"username": name, "password": user["password"]}
            answer = httpx.post(f"{base_url}/api/v1/auth/login", json=body, trust_env=False)
            assert answer.json()["user"] == {"name": name, "role": name}
    admin = {"username": "admin", "password": ready["users"]["admin"]["password"]}
    token = httpx.post(f"{ready['lan_url']}/api/v1/auth/login", json=admin, trust_env=False).json()["access_token"]
    code = pyotp.TOTP(ready["users"]["admin"]["totp_secret"]).now()
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{ready['lan_url']}/api/v1"
    elevated = httpx.post(f"{url}/auth/elevate", json={"code": code}, headers=headers, trust_env=False)
    assert elevated.status_code == 200, elevated.text
    assert httpx.get(f"{url}/admin/topics", headers=headers, trust_env=False).status_code == 200


def test_process_that_dies_is_restarted(demo: RunningDemo) -> None:
    """After kill -9 of the api the demo starts another, says so in the ready file, and it answers."""
    ready = demo.ready()
    pid = ready["pids"]["api"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: demo.ready()["pids"].get("api") not in (None, pid), 20, "another api")

    def answers() -> bool:
        try:
            return httpx.get(f"{ready['lan_url']}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers, 20, "the api answering again")


def test_the_site_has_a_past_and_goes_on_from_it(demo: RunningDemo) -> None:
    """Yesterday is recorded without a gap, sessions and statistics are made of it, and no meter has gone back since."""
    ready = demo.ready()
    login = {"username": "admin", "password": ready["users"]["admin"]["password"]}
    with httpx.Client(base_url=f"{ready['lan_url']}/api/v1", trust_env=False, timeout=20) as client:
        token = client.post("/auth/login", json=login).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        meters = {"grid.imported_wh": "grid", "charge_points.1.meter_wh": "charge_points"}
        past = client.get("/history", params={"series": ",".join(meters), "resolution": "raw"}).json()["series"]
        state = client.get("/state").json()
        for path, values in past.items():
            known = [value for value in values if value is not None]
            assert len(known) >= 1430  # the demo's own start costs some minutes on a busy machine
            assert values[:1400].count(None) == 0
            assert known == sorted(known)
            part = state["charge_points"]["1"] if meters[path] == "charge_points" else state["grid"]
            assert known[-1] <= part[path.rpartition(".")[2]] <= known[-1] + 2000
        days = client.get("/statistics", params={"by": "day"}).json()
        assert days["total"]["consumption_wh"] > 5_000
        sessions = client.get("/statistics/sessions", params={"by": "year", "group": "charge_point"}).json()["total"]
        assert sessions["sessions"] >= 1
        assert sessions["energy_wh"] > 0


def test_second_demo_in_the_same_folder_is_refused(demo: RunningDemo) -> None:
    """The start empties the folder, so it must not be the one of a demo that runs; that one goes on."""
    pids = demo.ready()["pids"]
    done = run_to_the_end(demo.folder)
    assert done.returncode == 2, done.stderr
    assert "--folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert (demo.folder / "demo" / "run" / "logs").is_dir()
    assert all(exists(pid) for pid in pids.values())


def test_ctrl_c_leaves_no_process_and_no_ready_file(demo: RunningDemo) -> None:
    """It ends with 0, every process it started is gone, and nothing was written outside its folder."""
    pids = demo.ready()["pids"]
    assert demo.end() == 0
    assert not [name for name, pid in pids.items() if exists(pid)]
    assert not demo.ready_file.exists()
    assert {entry.name for entry in demo.folder.iterdir()} == {"demo", "output"}


def test_own_broker_in_place_of_the_simulator(tmp_path: Path, broker: Broker) -> None:
    """With --openwb there is no simulator; the site is ready, and honest about a wallbox that says nothing."""
    demo = start_demo(tmp_path / "own", "--openwb", broker.url)
    try:
        ready = demo.ready()
        assert "simulator" not in ready["pids"]
        assert ready["mqtt_url"] == broker.url
    finally:
        assert demo.end() == 0


@pytest.mark.parametrize("is_refusing", [True, False])
def test_own_broker_that_cannot_be_had_is_not_ready(tmp_path: Path, is_refusing: bool) -> None:
    """Nobody there, or a wrong password: it ends with that reason, and leaves nothing running."""
    with ExitStack() as context:
        if is_refusing:
            broker = context.enter_context(servers.mosquitto(tmp_path / "broker", ("owner", "right")))
            url, reason = (
                f"mqtt://owner:wrong-of-tests@127.0.0.1:{broker.port}",
                "refused the user name or the password",
            )
        else:
            port = context.enter_context(reserved_port())
            url, reason = f"mqtt://127.0.0.1:{port}", "nothing listens on that port"
        demo = start_demo(tmp_path / "away", "--openwb", url)
        assert demo.process.wait(READY_WITHIN_S) == 1
    said = demo.output.read_text()
    assert reason in said
    assert "Ready" not in said
    assert "wrong-of-tests" not in said
    assert not demo.ready_file.exists()


def test_the_other_generation_is_a_matter_of_one_option(tmp_path: Path) -> None:
    """With --dialect 2.x everybody finds out by themselves; the state has its charge points."""
    demo = start_demo(tmp_path / "other", "--dialect", "2.x")
    try:
        ready = demo.ready()
        url = f"{ready['lan_url']}/api/v1"
        viewer = {"username": "viewer", "password": ready["users"]["viewer"]["password"]}
        token = httpx.post(f"{url}/auth/login", json=viewer, trust_env=False).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        state = httpx.get(f"{url}/state", headers=headers, trust_env=False).json()
        assert state["site"]["openwb_generation"] == "2.x"
        assert state["charge_points"].keys() == {"3", "7"}
    finally:
        assert demo.end() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        *("--openwb http://host", "--openwb mqtt://", "--port-base 80", "--speed 0", "--dialect 3"),
        "--ready-file /nowhere/ready.json",
    ],
)
def test_bad_option_is_named_and_nothing_is_made(tmp_path: Path, arguments: str) -> None:
    """A wrong option ends with 2 and a sentence that names it."""
    done = run_to_the_end(tmp_path, *shlex.split(arguments))
    assert done.returncode == 2, done.stderr
    assert arguments.split()[0] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "demo").exists()


def test_folder_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    """The demo empties its folder at the start, so it must be its own."""
    precious = tmp_path / "demo" / "run" / "precious"
    precious.parent.mkdir(parents=True)
    precious.write_text("x")
    done = run_to_the_end(tmp_path)
    assert done.returncode == 2, done.stderr
    assert "--folder" in done.stderr
    assert precious.read_text() == "x"


def test_end_while_the_past_is_recorded_is_no_fault(tmp_path: Path) -> None:
    """Ctrl-C is obeyed at once, also before anything answers, and nothing is said to have failed."""
    demo = start_demo(tmp_path / "early", history_days=400)
    eventually(lambda: "Recording" in demo.output.read_text(), READY_WITHIN_S, "the recording")
    assert demo.end() == 0
    assert "could not" not in demo.output.read_text()
