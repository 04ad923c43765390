"""A whole site for commands: a real broker, a real Redis, the simulated openWB and the edge, each a process of its own.

The test plays the api: it appends commands and reads their records and events.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import redis
from paho.mqtt import publish as paho_publish

from common import keys
from common.commands import EVENT_TYPE, Command, CommandRecord, accepted
from common.model import EdgeHealth, Snapshot
from tests.kit.servers import Broker, RedisServer, mosquitto, redis_server
from tests.kit.waiting import eventually
from tests.kit.wallbox import simulating

REPOSITORY = Path(__file__).parents[2]


@dataclass(slots=True)
class Site:
    """`edge` is the running edge; `settings` and `clock` start another one alike."""

    broker: Broker
    redis_server: RedisServer
    redis: redis.Redis
    settings: dict[str, str]
    clock: tuple[str, ...]
    log_file: Path
    edge: "subprocess.Popen[bytes] | None" = None

    def accept(self, charge_point: str | None, /, *, age_s: float = 0.0, **wishes: Any) -> str:
        """Append a command as the api does; its id."""
        now = time.time() - age_s
        command = Command(id=uuid4().hex, charge_point=charge_point, wishes=wishes, accepted_at=now, by="anna")
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.set(keys.command(command.id), msgspec.json.encode(accepted(command)))
        pipeline.xadd(keys.commands(), {"d": msgspec.json.encode(command)})
        pipeline.execute()
        return command.id

    def record(self, command_id: str) -> CommandRecord:
        text: Any = self.redis.get(keys.command(command_id))
        return msgspec.json.decode(text, type=CommandRecord)

    def settled(self, command_id: str, within_s: float = 15.0) -> CommandRecord:
        """The record as soon as it is settled."""
        try:
            eventually(lambda: self.record(command_id).status.is_settled, within_s, "the command being settled")
        except AssertionError as exc:
            raise AssertionError(f"{exc}: {self.record(command_id)}; {self.log_file.read_text()[-3000:]}") from exc
        return self.record(command_id)

    def do(self, charge_point: str | None, /, within_s: float = 15.0, **wishes: Any) -> CommandRecord:
        """Accept a command, and its settled record."""
        return self.settled(self.accept(charge_point, **wishes), within_s)

    def events(self, command_id: str) -> list[tuple[int, str]]:
        """The numbers and states of the command's events on the change stream."""
        entries: Any = self.redis.xrange(keys.changes())
        found = []
        for entry_id, fields in entries:
            if b"e" in fields:
                event = msgspec.json.decode(fields[b"e"])
                if event["type"] == EVENT_TYPE and event["record"]["id"] == command_id:
                    found.append((int(entry_id.split(b"-")[0]), event["record"]["status"]))
        return found

    def state(self) -> Snapshot | None:
        text: Any = self.redis.get(keys.state())
        return msgspec.json.decode(text, type=Snapshot) if text else None

    def counter(self, name: str) -> int:
        text: Any = self.redis.get(keys.edge_health())
        return msgspec.json.decode(text, type=EdgeHealth).counters.get(name, 0) if text else 0

    def turn(self, knob: str, payload: str = "1") -> None:
        """A knob of the simulated wallbox."""
        paho_publish.single(
            f"simulator/control/{knob}", payload, qos=1, hostname=self.broker.host, port=self.broker.port
        )

    def start_edge(self) -> None:
        command = [sys.executable, "-m", "edge", "run", *self.clock]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}
        with self.log_file.open("ab") as log:
            self.edge = subprocess.Popen(command, env=inherited | self.settings, cwd=REPOSITORY, stdout=log, stderr=log)

    def stop_edge(self) -> None:
        if self.edge is not None:
            self.edge.terminate()
            self.edge.wait(20)
            self.edge = None

    def kill_edge(self) -> None:
        if self.edge is not None:
            self.edge.kill()
            self.edge.wait(10)
            self.edge = None

    def is_live(self) -> bool:
        """Whether the edge knows the wallbox, and that it lives."""
        snapshot = self.state()
        return snapshot is not None and not snapshot.state.meta.is_stale and len(snapshot.state.charge_points) == 2


@contextmanager
def commanded_site(
    folder: Path, dialect: str, clock: str | None = None, database_url: str | None = None
) -> Iterator[Site]:
    """Everything running, and the wallbox known. Without a database's URL it is a SQLite file."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder / "broker"))
        server = stack.enter_context(redis_server(folder / "redis"))
        options = ("--clock", clock) if clock else ()
        stack.enter_context(simulating(broker.url, "--dialect", dialect, *options))
        settings = {
            "WALLPORT_EDGE_MQTT_URL": broker.url,
            "WALLPORT_REDIS_URL": server.url,
            "WALLPORT_DATABASE_URL": database_url or f"sqlite://{folder / 'edge.sqlite'}",
            "WALLPORT_DATA_DIR": str(folder / "data"),
        }
        client = stack.enter_context(redis.Redis.from_url(server.url))
        site = Site(broker, server, client, settings, options, folder / "edge.log")
        site.start_edge()
        stack.callback(site.stop_edge)
        eventually(site.is_live, 40, "the wallbox being known")
        yield site
