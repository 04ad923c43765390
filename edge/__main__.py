"""The edge's process and command line: `wallport-edge run | check-config | health | enroll | rotate-key |
charge-log | import`."""

import os
import signal
import sys
import threading
from datetime import datetime
from typing import Annotated, NoReturn

import typer

from common import logs
from common.allocator import use_one_arena
from common.clock import parse_clock
from common.console import Version
from common.errors import AppError, FieldError
from edge import app, import_app, import_cli
from edge.settings import Settings, read

EXIT_FAILING = 1
EXIT_BAD_SETTINGS = 2

cli = typer.Typer(
    name="wallport-edge",
    help="The on-site agent: mirrors the wallbox, records, and keeps the line to the relay.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _log_errors_only() -> None:
    """What an import has to say it prints."""
    logs.set_up("error")


cli.add_typer(import_cli.cli, name="import", callback=_log_errors_only, help=import_cli.HELP)


@cli.callback()
def options(_version: Version = False) -> None:
    pass


@cli.command()
def run(
    clock: Annotated[
        str | None, typer.Option(help="A simulated clock, starts_at/anchored_at/speed in Unix seconds (the demo's).")
    ] = None,
) -> None:
    """Run until SIGTERM or Ctrl-C."""
    settings = _settings()
    try:
        used_clock = parse_clock(clock)
    except FieldError as exc:
        _refuse(exc)
    logs.set_up(settings.log_level, settings.log_form)
    use_one_arena()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if app.run(settings, used_clock, stopping):
        sys.stderr.flush()
        os._exit(EXIT_FAILING)  # an ordinary end would wait for the threads that hang


@cli.command("check-config")
def check_config() -> None:
    """Check the settings and name every fault; starts nothing."""
    _settings()
    typer.echo("The settings are complete.")


@cli.command()
def health() -> None:
    """Say how the running edge is; exit code 0 when nothing is failing, else 1."""
    try:
        found = app.read_health(_settings())
    except AppError as exc:
        typer.echo(exc.message, err=True)
        raise typer.Exit(EXIT_FAILING) from None
    if found is None:
        typer.echo("No edge is running: it has not been heard of lately.", err=True)
        raise typer.Exit(EXIT_FAILING)
    for name, part in sorted(found.components.items()):
        typer.echo(f"{name:16} {part['status']:9} {part.get('detail') or ''}".rstrip())
    for name, count in sorted(found.counters.items()):
        typer.echo(f"{name:40} {count}")
    if any(part["status"] == "failing" for part in found.components.values()):
        raise typer.Exit(EXIT_FAILING)


@cli.command("charge-log")
def charge_log(
    days: Annotated[int, typer.Option(min=1, max=3660, help="How far to look back.")] = 62,
    everything: Annotated[bool, typer.Option("--all", help="Also what agrees.")] = False,
) -> None:
    """Compare recorded sessions with the wallbox's own log; exit code 0 when they agree, else 1."""
    settings = _settings()
    logs.set_up("error", settings.log_form)
    try:
        found = import_app.compare_log(settings, days)
    except AppError as exc:
        typer.echo(exc.message, err=True)
        raise typer.Exit(EXIT_FAILING) from None
    for line in found:
        if line.is_finding or everything:
            at = datetime.fromtimestamp(line.started_at, settings.time_zone)
            mark = "differs" if line.is_finding else ""
            recorded, logged = _kwh(line.recorded_wh), _kwh(line.logged_wh)
            typer.echo(
                f"{at:%Y-%m-%d %H:%M}  {line.charge_point:>4}  recorded {recorded}  log {logged}  {mark}".rstrip()
            )
    findings = sum(line.is_finding for line in found)
    typer.echo(f"{len(found)} sessions in {days} days, {findings} differ from the wallbox's log")
    if findings:
        raise typer.Exit(EXIT_FAILING)


@cli.command()
def enroll(
    relay: Annotated[str, typer.Option(help="The relay's URL, https://relay.example.org.")],
    code: Annotated[str, typer.Option(help="The one-time code that `wallport-relay site add` printed.")],
) -> None:
    """Make this site known to a relay. A running edge connects within seconds."""
    settings = _settings()
    try:
        enrolled = app.enrol(settings, relay, code)
    except FieldError as exc:
        _refuse(exc)
    except AppError as exc:
        typer.echo(exc.message, err=True)
        raise typer.Exit(EXIT_FAILING) from None
    typer.echo(f"Enrolled as {enrolled.site} at {enrolled.relay_url}: {enrolled.relay_url}/s/{enrolled.site}/")


@cli.command("rotate-key")
def rotate_key() -> None:
    """Put a fresh key in the place of the edge's own, proven by the old one. A running edge connects anew with it."""
    try:
        rotated = app.rotate_key(_settings())
    except AppError as exc:
        typer.echo(exc.message, err=True)
        if exc.is_retryable:
            typer.echo("Run the command again: until it succeeds, the relay may know either key.", err=True)
        raise typer.Exit(EXIT_FAILING) from None
    typer.echo(f"{rotated.site} at {rotated.relay_url} has a new key.")


def main() -> None:
    cli()


def _kwh(energy_wh: int | None) -> str:
    return "      none" if energy_wh is None else f"{energy_wh / 1000:6.2f} kWh"


def _settings() -> Settings:
    try:
        return read(os.environ)
    except FieldError as exc:
        _refuse(exc)


def _refuse(exc: FieldError) -> NoReturn:
    for name, fault in sorted(exc.faults.items()):
        typer.echo(f"{name} {fault}", err=True)
    raise typer.Exit(EXIT_BAD_SETTINGS)


if __name__ == "__main__":
    main()
