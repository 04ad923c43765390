"""The wallbox's own log over real HTTP and a real broker: from both simulated generations, and from bad servers."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.clock import SimulatedClock, SystemClock
from common.health import Health
from common.store import sessions, wallbox_log
from common.store.bind import open_store
from common.store.rows import LogEntryRow, SessionFilter
from edge.adapters import charge_log_command, wallbox_web
from edge.adapters.charge_log_command import ChargeLogCommand
from edge.adapters.mqtt import MqttSource
from edge.adapters.wallbox_web import WallboxWeb
from edge.charge_log import v1, v2
from edge.charge_log.entries import Parsed
from edge.charge_log.errors import ChargeLogUnavailable
from edge.charge_log.schedule import Month, months
from edge.openwb.detect import DIALECTS
from edge.settings import BrokerAddress
from tests.kit.ports import reserved_port
from tests.kit.servers import Broker
from tests.kit.waiting import eventually
from tests.kit.wallbox import has_everything, listening, simulating

BERLIN = ZoneInfo("Europe/Berlin")
MONTH = Month(2026, 11)
AT = 1_795_420_800.0  # Mon Nov 23 09:00:00 CET 2026


def test_a_month_of_the_simulated_1_9(broker: Broker) -> None:
    """Its web server has the days before; a month of which it knows nothing is none."""
    clock = SimulatedClock(AT, SystemClock().now(), 1).spec()
    with reserved_port() as port, simulating(broker.url, "--http-port", str(port), "--clock", clock):
        web = WallboxWeb(f"http://127.0.0.1:{port}")
        content = eventually(lambda: _read_or_none(web, MONTH), within_s=30)
        parsed = v1.parse(content, BERLIN)
        assert parsed.bad == ()
        assert parsed.entries
        assert all(AT - 4 * 86_400 < entry.started_at < entry.ended_at for entry in parsed.entries)
        assert web.read(Month(2020, 2)) is None


def _read_or_none(web: WallboxWeb, month: Month) -> bytes | None:
    try:
        return web.read(month)
    except ChargeLogUnavailable:
        return None


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[WallboxWeb]:
    """A web server that does as `answer` wishes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield WallboxWeb(f"http://127.0.0.1:{server.server_port}/")
        finally:
            server.shutdown()
            thread.join()


def test_it_asks_for_the_month_s_file() -> None:
    """At openWB's own path; the answer comes as it is."""
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"\xffa\n")

    with answering(answer) as web:
        assert web.read(Month(2025, 3)) == b"\xffa\n"
    assert asked == ["/openWB/web/logging/data/ladelog/202503.csv"]


@pytest.mark.parametrize("status", [301, 302, 401, 500, 204])
def test_other_answers_are_no_log(status: int) -> None:
    """A redirect leads nowhere."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", "http://127.0.0.1:1/")
        handler.end_headers()

    with answering(answer) as web, pytest.raises(ChargeLogUnavailable, match=str(status)):
        web.read(MONTH)


def test_an_answer_that_breaks_off_is_no_log() -> None:
    """A part must not be taken for the whole."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")

    with answering(answer) as web, pytest.raises(ChargeLogUnavailable):
        web.read(MONTH)


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size, and one that drips by its time."""
    monkeypatch.setattr(wallbox_web, "LARGEST", 100_000)
    monkeypatch.setattr(wallbox_web, "WITHIN_S", 1.0)

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        _write_on(handler, b"x" * 10_000, 0.0)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        _write_on(handler, b"x", 0.1)

    def drip_head(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        _write_on(handler, b"X-A: b\r\n", 0.1)

    with answering(flood) as web, pytest.raises(ChargeLogUnavailable, match="more than"):
        web.read(MONTH)
    for answer in (drip, drip_head):
        with answering(answer) as web, pytest.raises(ChargeLogUnavailable):
            web.read(MONTH)


def _write_on(handler: BaseHTTPRequestHandler, chunk: bytes, pause_s: float) -> None:
    pause = threading.Event()
    try:
        for _ in range(600):
            handler.wfile.write(chunk)
            pause.wait(pause_s)
    except OSError:
        return


def test_nobody_there() -> None:
    """Refused, and silent."""
    with reserved_port() as port, pytest.raises(ChargeLogUnavailable, match="does not answer"):
        WallboxWeb(f"http://127.0.0.1:{port}").read(MONTH)


def test_a_server_that_accepts_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallbox_web, "WITHIN_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ChargeLogUnavailable):
        WallboxWeb(f"http://127.0.0.1:{server.getsockname()[1]}").read(MONTH)


@contextmanager
def commanding(broker: Broker) -> Iterator[tuple[MqttSource, ChargeLogCommand]]:
    """A session of the edge's that mirrors 2.x."""
    dialect = DIALECTS["2.x"]
    source = MqttSource(
        BrokerAddress(broker.host, broker.port), dialect.subscriptions(), dialect.is_allowed, Health(SystemClock())
    )
    command = ChargeLogCommand(source)
    stop = threading.Event()
    thread = threading.Thread(target=source.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: source.listening_since() is not None)
        yield source, command
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_months_of_the_simulated_2_x(broker: Broker, tmp_path: Path) -> None:
    """Asked for by command; the answers reach nobody else in the edge, and a month of nothing is empty."""
    stop = threading.Event()
    with (
        simulating(broker.url, "--dialect", "2.x", log_file=tmp_path / "log"),
        listening(broker.url, "openWB/#") as all_,
    ):
        eventually(lambda: has_everything(all_.topics), within_s=30)
        with commanding(broker) as (source, command):
            before, this = months(SystemClock().now(), BERLIN)
            found = [_parsed(command.read(month, stop)) for month in (before, this, Month(2020, 1))]
            assert sum(len(parsed.entries) for parsed in found) > 0
            assert found[2].entries == ()
            assert not any(parsed.bad for parsed in found)
            mirrored: dict[str, bytes] = {}
            while batch := source.take(0.5):
                mirrored |= batch
            assert mirrored
            assert not [topic for topic in mirrored if "log/" in topic]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("dialect", ["1.9", "2.x"])
def test_the_edge_makes_sessions_of_what_only_the_log_has(
    dialect: str, broker: Broker, redis_url: str, sqlite_url: str, tmp_path: Path
) -> None:
    """The wallbox charged while there was no edge. Each entry has its session, and health says that it was read."""
    now = SystemClock().now()
    clock = SimulatedClock(now - 86_400, now, 60).spec()
    with (
        reserved_port() as port,
        simulating(broker.url, "--dialect", dialect, "--http-port", str(port), "--clock", clock),
        listening(broker.url, "openWB/#") as heard,
    ):
        eventually(lambda: has_everything(heard.topics), within_s=30)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}
        environ |= {
            "WALLPORT_EDGE_MQTT_URL": broker.url,
            "WALLPORT_EDGE_OPENWB_URL": f"http://127.0.0.1:{port}",
            "WALLPORT_REDIS_URL": redis_url,
            "WALLPORT_DATABASE_URL": sqlite_url,
            "WALLPORT_DATA_DIR": str(tmp_path / "data"),
        }
        command = [sys.executable, "-m", "edge", "run", "--clock", clock]
        with (tmp_path / "edge.log").open("wb") as log:
            edge = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        store = open_store(sqlite_url)
        try:

            def old_entries() -> list[LogEntryRow] | None:
                """All with their sessions; that of one on its way to the database waits for another look."""
                old = [e for e in wallbox_log.between(store, 0, 2**33) if e.ended_at < now - 86_400 - 7200]
                return old if all(entry.session_id is not None for entry in old) else None

            old = eventually(old_entries, within_s=50)
            found = {row.id: row for row in sessions.page(store, SessionFilter(), limit=100)}
            made = [(entry, found[entry.session_id]) for entry in old if found[entry.session_id].origin == "log"]
            assert made  # the last charge before may belong to a car that is still there
            for entry, session in made:
                assert session.charge_point == entry.charge_point
                assert session.started_at <= entry.started_at <= entry.ended_at <= (session.ended_at or 0)
        finally:
            store.close()
            edge.terminate()
            edge.wait(20)
        assert edge.returncode == 0


def _parsed(content: bytes) -> Parsed:
    parsed = v2.parse(content, BERLIN)
    assert parsed is not None
    return parsed


def test_a_wallbox_that_does_not_answer(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, at once when the edge stops; an answer that comes too late is not that to the next question."""
    monkeypatch.setattr(charge_log_command, "ANSWERED_WITHIN_S", 3.0)
    with commanding(broker) as (source, command), listening(broker.url, "openWB/set/#") as wallbox:
        with pytest.raises(ChargeLogUnavailable, match="did not answer"):
            command.read(MONTH, threading.Event())
        stopped = threading.Event()
        stopped.set()
        with pytest.raises(ChargeLogUnavailable):
            command.read(MONTH.before(), stopped)
        heard = len(wallbox.heard)
        read: list[bytes] = []
        thread = threading.Thread(target=lambda: read.append(command.read(MONTH, threading.Event())))
        thread.start()
        eventually(lambda: len(wallbox.heard) > heard)
        wallbox.say(f"openWB/log/{source.client_id}-0/data", "of the month before")
        wallbox.say(f"openWB/log/{source.client_id}-1/data", "in time")
        thread.join(10)
        assert read == [b"in time"]
    with pytest.raises(ChargeLogUnavailable, match="could not be asked"):
        command.read(MONTH, threading.Event())
