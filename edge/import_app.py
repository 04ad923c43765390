"""Builds imports from the edge's settings, beside an edge that may be running. Called by edge/import_cli.py."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from functools import partial
from pathlib import Path

from common.clock import SystemClock
from common.store import tags, wallbox_log
from common.store.bind import open_store
from edge.adapters import log_file, old_backend
from edge.adapters.import_books import StoredPeople, StoredSamples, StoredScans
from edge.adapters.progress import progress_bar
from edge.adapters.session_book import StoredSessions
from edge.charge_log.errors import SourceUnusable
from edge.charge_log.listing import Line, lines
from edge.charge_log.verdicts import LONGEST_SESSION_S
from edge.imports import Summary
from edge.loops.importing import Importer
from edge.settings import Settings


def compare_log(settings: Settings, days: int) -> list[Line]:
    """The wallbox's log beside what was recorded in so many days. Raises StoreUnavailable or StoreError."""
    now = int(SystemClock().now())
    store = open_store(settings.database_url)
    try:
        rows = StoredSessions(store).sessions(now - days * 86_400 - LONGEST_SESSION_S, now)
        found = lines(rows, wallbox_log.between(store, now - days * 86_400, now))
    finally:
        store.close()
    return [line for line in found if line.started_at >= now - days * 86_400]


def import_csv(
    settings: Settings, files: Sequence[Path], *, names: Mapping[str, str], zone: tzinfo, is_dry_run: bool
) -> list[Summary]:
    """Import months of openWB 1.9's charge log; a file that cannot be read is found before anything is written."""
    contents = {str(path): log_file.read(path) for path in files}
    with _importer(settings, names, zone, is_dry_run) as importer:
        return importer.csv_files(contents)


def import_backend(
    settings: Settings, url: str, password: str | None, *, names: Mapping[str, str], zone: tzinfo, is_dry_run: bool
) -> list[Summary]:
    """Import the tables of the old backend."""
    with old_backend.opened(url, password) as tables, _importer(settings, names, zone, is_dry_run) as importer:
        summaries = importer.backend(tables)
    if not summaries:
        raise SourceUnusable("none of the old backend's tables is in this database")
    return summaries


@contextmanager
def _importer(settings: Settings, names: Mapping[str, str], zone: tzinfo, is_dry_run: bool) -> Iterator[Importer]:
    now = int(SystemClock().now())
    store = open_store(settings.database_url)
    try:
        with progress_bar() as progress:
            yield Importer(
                sessions=StoredSessions(store),
                samples=StoredSamples(store),
                people=StoredPeople(store, now),
                scans=StoredScans(store),
                owner_of=partial(tags.owner_of, store),
                names=names,
                zone=zone,
                interval_s=settings.sample_interval_s,
                now=now,
                is_dry_run=is_dry_run,
                progress=progress,
            )
    finally:
        store.close()
