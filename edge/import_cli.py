"""The command line of imports: `wallport-edge import csv | backend`. Logging is set up by edge/__main__.py."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from common import logs
from common.errors import AppError, FieldError
from common.local_time import DEFAULT_ZONE, zone_named
from edge import import_app
from edge.charge_log.entries import BadLine
from edge.imports import Energies, Summary, kwh, parse_map
from edge.settings import Settings, read

EXIT_FAILING = 1
EXIT_BAD_SETTINGS = 2
EXIT_BAD_LINES = 3  # all else is imported

LONGEST_PASSWORD_FILE = 1024  # bytes

HELP = "Take over what was recorded before; may be repeated, nothing is stored twice."

cli = typer.Typer()

ChargePointMap = Annotated[
    str, typer.Option(help="What charge points are called today where it is another number: 1=3,2=7.")
]
TimeZone = Annotated[str, typer.Option(help="The time zone of the log's local times; see docs/records.md.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and compare everything, write nothing.")]


@cli.command("csv")
def import_csv(
    files: Annotated[list[Path], typer.Argument(help="openWB 1.9's charge logs, YYYYMM.csv.", metavar="FILE…")],
    charge_point_map: ChargePointMap = "",
    time_zone: TimeZone = DEFAULT_ZONE,
    dry_run: DryRun = False,
) -> None:
    """Import months of openWB 1.9's charge log, of any release: 8, 9 or 10 columns."""
    _run(
        lambda settings: import_app.import_csv(
            settings, files, names=parse_map(charge_point_map), zone=zone_named(time_zone), is_dry_run=dry_run
        ),
        "line",
        dry_run,
    )


@cli.command("backend")
def import_backend(
    url: Annotated[str, typer.Argument(help="Its database, mysql://user[:password]@host[:port]/database.")],
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the database's password, which then stands in no process list.")
    ] = None,
    charge_point_map: ChargePointMap = "",
    time_zone: TimeZone = DEFAULT_ZONE,
    dry_run: DryRun = False,
) -> None:
    """Import the tables of the old backend: users (disabled, without passwords), lade_log, graph and rfid_log."""
    _run(
        lambda settings: import_app.import_backend(
            settings,
            url,
            _password(password_file),
            names=parse_map(charge_point_map),
            zone=zone_named(time_zone),
            is_dry_run=dry_run,
        ),
        "id",
        dry_run,
    )


def _run(work: Callable[[Settings], list[Summary]], unit: str, dry_run: bool) -> None:
    try:
        summaries = work(read(os.environ))
    except FieldError as exc:
        for name, fault in sorted(exc.faults.items()):
            typer.echo(f"{name} {fault}", err=True)
        raise typer.Exit(EXIT_BAD_SETTINGS) from None
    except AppError as exc:
        detail = f" ({logs.redact_text(exc.detail)})" if exc.detail else ""
        typer.echo(f"{exc.message}{detail}", err=True)
        raise typer.Exit(EXIT_FAILING) from None
    for summary in summaries:
        _print(summary, unit)
    if dry_run:
        typer.echo("Dry run: nothing was written.")
    if any(summary.bad for summary in summaries):
        raise typer.Exit(EXIT_BAD_LINES)


def _print(summary: Summary, unit: str) -> None:
    sums = summary.energies or Energies()
    counted = [
        (summary.read, "read", sums.read_wh),
        (summary.new, "new", sums.new_wh),
        (summary.known, "already there", sums.known_wh),
        *([(summary.doubtful, "doubtful", sums.doubtful_wh)] if summary.doubtful else []),
        *([(summary.later, "too recent", sums.later_wh)] if summary.later else []),
    ]
    has_energies = summary.energies is not None
    parts = [f"{count} {what} ({kwh(wh)})" if has_energies else f"{count} {what}" for count, what, wh in counted]
    parts += [f"{summary.bad} bad"] if summary.bad else []
    typer.echo(f"{summary.name}: {', '.join(parts)}")
    _list(summary.notes, summary.noted, unit)
    _list(summary.listed, summary.bad, unit)


def _list(lines: Sequence[BadLine], total: int, unit: str) -> None:
    for line in lines:
        typer.echo(f"  {unit} {line.number}: {line.reason}")
    if total > len(lines):
        typer.echo(f"  and {total - len(lines)} more")


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        with file.open("rb") as source:
            return source.read(LONGEST_PASSWORD_FILE).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise FieldError("bad password file", {"--password-file": "cannot be read as UTF-8 text"}) from None
