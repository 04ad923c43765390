"""The simulator as a process: an openWB of either generation that runs on a clock and talks over a real broker.

    python -m simulator.app --mqtt mqtt://127.0.0.1 [--dialect 2.x] [--seed 1] [--clock STARTS_AT/ANCHORED_AT/SPEED]
        [--http-port 8080]

One thread owns the wallbox: it makes the loops that are due, publishes, and answers commands at once. It ends in order
on SIGTERM and SIGINT. While it runs, docs/simulator.md says how to make it misbehave.
"""

import signal
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from common import logs
from common.clock import Clock, parse_clock
from common.errors import FieldError
from common.health import Health
from simulator import knobs
from simulator.adapters import state_file
from simulator.adapters.mqtt import Connected, Inbound, MqttPort
from simulator.adapters.web import serving
from simulator.dialects import DIALECTS, Dialect, Generation
from simulator.manners import Manners
from simulator.physics import Site
from simulator.wallbox import Message, Wallbox

LEAST_BETWEEN_PUBLISHES_S = 0.1  # real seconds; fast time must not become a flood for the broker
LONGEST_WAIT_S = 0.5  # so that a stop is noticed soon
RETAINED_PAUSE_S = 0.4  # brokers send retained messages at once after a subscription; this long nothing: that was all
RESTORED_WITHIN_S = 3.0

log = logs.get(__name__)
cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Options:
    """`mqtt_url` is mqtt://[user:password@]host[:port]. Seed and clock together make a run repeatable.

    `http_port` is that of the wallbox's web server on loopback, None for no such server.
    """

    mqtt_url: str
    dialect: Dialect
    seed: int
    clock: Clock
    site: Site = field(default_factory=Site)
    wallbox: Wallbox | None = None
    """One that has a past and goes on from it; None makes a new one."""
    http_port: int | None = None


def run_simulator(options: Options, stop: threading.Event) -> None:
    """Be an openWB until `stop` is set. Blocks; waits for a broker that is away. Raises FieldError for a bad URL."""
    clock, dialect = options.clock, options.dialect
    health = Health(clock)
    wallbox = options.wallbox or dialect.make(options.site, options.seed, clock.now())
    manners = Manners(wallbox, health)
    log.info("simulator_started", openwb=dialect.generation, seed=options.seed)
    with ExitStack() as stack:
        if options.http_port is not None:
            stack.enter_context(serving(options.http_port, wallbox.file))
        filters = (*dialect.set_filters, knobs.FILTER)
        port = stack.enter_context(MqttPort(options.mqtt_url, dialect.client_id, filters, health))
        pending = _restore(wallbox, dialect, port, stop)
        may_publish_at = 0.0
        has_news = False
        while not stop.is_set():
            pause_s = clock.real_seconds_until(manners.next_due_at())
            if has_news:
                pause_s = min(pause_s, may_publish_at - time.monotonic())
            item = pending.popleft() if pending else port.take(min(pause_s, LONGEST_WAIT_S))
            now = clock.now()
            if now >= wallbox.next_due_at():
                wallbox.run_until(now)
                has_news = True
            _send(port, _answer(wallbox, manners, item, now, health))
            if has_news and time.monotonic() >= may_publish_at:
                _send(port, wallbox.publish())
                has_news = False
                may_publish_at = time.monotonic() + LEAST_BETWEEN_PUBLISHES_S
    log.info("simulator_stopped", **health.counters())


def _restore(wallbox: Wallbox, dialect: Dialect, port: MqttPort, stop: threading.Event) -> deque[Connected | Inbound]:
    """Wait for the broker and read back what an earlier run left there; what else arrived meanwhile."""
    pending: deque[Connected | Inbound] = deque()
    while not stop.is_set() and not pending:
        item = port.take(LONGEST_WAIT_S)
        if item is not None:
            pending.append(item)
    port.subscribe(dialect.restored_filters)
    retained: dict[str, str] = {}
    deadline = time.monotonic() + RESTORED_WITHIN_S
    while not stop.is_set() and time.monotonic() < deadline:
        item = port.take(RETAINED_PAUSE_S)
        if item is None:
            break
        if isinstance(item, Inbound) and not dialect.is_heard_always(item.topic):
            retained[item.topic] = item.payload.decode("utf-8", errors="replace")
        else:
            pending.append(item)
    port.unsubscribe(dialect.restored_filters)
    wallbox.restore(retained)
    log.info("state_restored", topics=len(retained))
    return pending


def _answer(
    wallbox: Wallbox, manners: Manners, item: Connected | Inbound | None, now: float, health: Health
) -> list[Message]:
    """What one event from the broker calls forth, or else one answer that was held back until now."""
    if isinstance(item, Connected):
        wallbox.publish_all_again()
        return wallbox.publish()
    try:
        return manners.take_held(now) if item is None else manners.handle(item.topic, item.payload, now)
    except FieldError as error:
        log.warning("knob_refused", topic=item.topic if item else None, faults=error.faults)
        return []
    except Exception as error:  # noqa: BLE001 - the handler of one inbound message; the wallbox must live on
        health.count("mqtt.messages_failed")
        log.warning("message_failed", topic=item.topic if item else None, error=error)
        return []


def _send(port: MqttPort, messages: list[Message]) -> None:
    for message in messages:
        port.publish(message.topic, message.payload, message.qos, retain=message.is_retained)


@cli.command()
def main(
    mqtt: Annotated[str, typer.Option(help="The broker, mqtt://[user:password@]host[:port].")],
    dialect: Annotated[Generation, typer.Option(help="The openWB generation to speak.")] = Generation.V1,
    seed: Annotated[int, typer.Option(help="The same seed and clock make the same run.")] = 1,
    clock: Annotated[str | None, typer.Option(help="STARTS_AT/ANCHORED_AT/SPEED in Unix seconds.")] = None,
    state: Annotated[Path | None, typer.Option(help="Go on with the wallbox that simulator.history left here.")] = None,
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve the charge log here, as openWB 1.9's web server does.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """A believable openWB on a real broker."""
    logs.set_up(log_level)
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda _number, _frame: stop.set())
    try:
        wallbox = state_file.load(state) if state is not None else None
        run_simulator(
            Options(mqtt, DIALECTS[dialect], seed, parse_clock(clock), wallbox=wallbox, http_port=http_port), stop
        )
    except FieldError as error:
        faults = "; ".join(f"--{name} {fault}" for name, fault in error.faults.items())
        print(f"{error.message}: {faults}", file=sys.stderr)  # noqa: T201 - the command line's own answer
        raise typer.Exit(2) from None


if __name__ == "__main__":
    cli()
