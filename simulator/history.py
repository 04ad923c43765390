"""Puts a simulated past into the database before the demo goes live, and leaves the wallbox where it then goes on.

    python -m simulator.history --state FILE --until UNIX [--days 7] [--dialect 2.x] [--seed 1]

Database and folder are those of the edge's settings, from the environment. Two processes, as most machines
have two cores: one walks through the past, the other records it.
"""

from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from common import logs
from common.clock import SystemClock
from common.health import Health
from common.local_time import DEFAULT_ZONE
from common.store import rollups, samples, sessions
from common.store.bind import open_store
from edge.adapters.session_file import SessionFile
from edge.rollups import Reckoner
from simulator.adapters import state_file
from simulator.dialects import DIALECTS, Generation
from simulator.past import STEP_S, Recording, owned, walk
from simulator.physics import Site

ROWS_AT_ONCE = 500
MINUTES_AT_ONCE = 60
ENDED_WITHIN_S = 10.0

log = logs.get(__name__)
cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def main(
    *,
    database_url: Annotated[str, typer.Option(envvar="WALLPORT_DATABASE_URL", help="The site's database.")],
    data_dir: Annotated[Path, typer.Option(envvar="WALLPORT_DATA_DIR", help="The edge's folder.")],
    state: Annotated[Path, typer.Option(help="Where the wallbox is left, for simulator.app.")],
    until: Annotated[float, typer.Option(help="When the present begins, Unix seconds.")],
    days: Annotated[int, typer.Option(min=0, max=1100)] = 7,
    dialect: Annotated[Generation, typer.Option(help="The openWB generation.")] = Generation.V1,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Records the past of a simulated site."""
    logs.set_up("info")
    site = Site()
    recording = Recording(dialect.value, site, seed)
    for at, batch in _walked_apart(dialect, seed, days, until, state):
        recording.hear(at, batch)
    store = open_store(database_url)
    for first in range(0, len(recording.samples), ROWS_AT_ONCE):
        samples.insert(store, recording.samples[first : first + ROWS_AT_ONCE])
    running = [owned(record) for record in recording.machine.running()]
    for first in range(0, len(recording.ended), ROWS_AT_ONCE):
        sessions.upsert(store, recording.ended[first : first + ROWS_AT_ONCE])
    rollups.adopt_zone(store, DEFAULT_ZONE, 0)
    while rollups.advance(store, Reckoner(STEP_S), ZoneInfo(DEFAULT_ZONE)):
        pass
    store.close()
    file = SessionFile(data_dir / "sessions.sqlite", Health(SystemClock()))
    file.save(recording.machine.state, running)
    file.close()
    log.info("past_recorded", samples=len(recording.samples), sessions=len(recording.ended), running=len(running))


def _walked_apart(
    generation: Generation, seed: int, days: int, until: float, state: Path
) -> Iterator[tuple[int, dict[str, bytes]]]:
    context = get_context("spawn")  # nothing of this process may be shared
    receiver, sender = context.Pipe(duplex=False)
    walker = context.Process(target=_walk, args=(sender, generation, seed, days, until, state), daemon=True)
    walker.start()
    sender.close()  # else its end would not be noticed here
    try:
        while True:
            try:
                yield from receiver.recv()
            except EOFError:
                break
    finally:
        receiver.close()
        walker.join(ENDED_WITHIN_S)
    if walker.exitcode != 0:
        raise RuntimeError(f"the walk through the past ended with {walker.exitcode}")


def _walk(sender: Connection, generation: Generation, seed: int, days: int, until: float, state: Path) -> None:
    wallbox = DIALECTS[generation].make(Site(), seed, until, days)
    minutes: list[tuple[int, dict[str, bytes]]] = []
    for minute in walk(wallbox, generation.value, until):
        minutes.append(minute)
        if len(minutes) == MINUTES_AT_ONCE:
            sender.send(minutes)
            minutes = []
    sender.send(minutes)
    state_file.save(wallbox, state)
    sender.close()


if __name__ == "__main__":
    cli()
