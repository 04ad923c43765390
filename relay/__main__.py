"""The relay's process and command line: `wallport-relay run | check-config | site …`."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
import uvloop

from common import logs
from common.console import Version, command
from common.errors import AppError, FieldError, RedisUnavailable
from common.private_folder import make_private
from relay.adapters.presence import RedisPresence
from relay.adapters.registry import CODE_LIFE_S, Registry, open_registry
from relay.app import serve
from relay.ports import LastSeen, SiteRow
from relay.settings import Settings, read
from relay.sites import as_rfc3339

EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2

IN_DOCKER = "docker compose exec edge wallport-edge"

RIVAL_SHOWN_S = 86_400
"""How long `site list` tells of two edges with one identity."""

cli = typer.Typer(
    name="wallport-relay",
    help="The public side: takes the edges' tunnels and carries phones' traffic to them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
site = typer.Typer(help="The sites this relay serves.", no_args_is_help=True)
cli.add_typer(site, name="site")


@cli.callback()
def options(_version: Version = False) -> None:
    pass


@cli.command()
def run() -> None:
    """Run until SIGTERM or Ctrl-C."""
    settings = _settings()
    logs.set_up(settings.log_level, settings.log_form)
    make_private(settings.data_dir)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except AppError as exc:
        typer.echo(exc.message, err=True)
        raise typer.Exit(EXIT_FAILED) from None


@cli.command("check-config")
def check_config() -> None:
    """Check the settings and name every fault; starts nothing."""
    _settings()
    typer.echo("The settings are complete.")


@site.command("add")
def site_add(name: str) -> None:
    """Add a site and print the one-time code with which its edge enrols."""
    with _registry() as (registry, settings):
        _print_code(name, registry.add(name, time.time()), settings)


@site.command("new-code")
def site_new_code(name: str) -> None:
    """Print another one-time code, to move a site to another machine or after `revoke`. The present edge keeps working
    until the code is used, and is cut then."""
    with _registry() as (registry, settings):
        _print_code(name, registry.new_code(name, time.time()), settings)


@site.command("list")
def site_list() -> None:
    """All sites: enrolled or not, and when each was last there."""
    with _registry() as (registry, settings):
        rows = registry.list_all()
        for row, seen in zip(rows, asyncio.run(_last_seen(settings, rows)), strict=True):
            typer.echo(f"{row.name:24} {_enrolment(row):34} {_presence(seen)}{_rival(seen)}".rstrip())


@site.command("remove")
def site_remove(name: str) -> None:
    """Forget a site; its tunnel is closed within a second."""
    with _registry() as (registry, _):
        registry.remove(name)
        typer.echo(f"{name} is removed.")


@site.command("revoke")
def site_revoke(name: str) -> None:
    """Close a site's tunnel within a second, and let its edge in no more; the name stays for another code."""
    with _registry() as (registry, _):
        registry.revoke(name)
        typer.echo(
            f"{name} is revoked. An edge comes back only with a code of `{command('relay', f'site new-code {name}')}`."
        )


@site.command("rename")
def site_rename(name: str, new_name: str) -> None:
    """Give a site another name, and so other URLs; its edge stays connected, the old URLs answer 404."""
    with _registry() as (registry, settings):
        registry.rename(name, new_name)
        typer.echo(f"{name} is now {new_name}: {settings.origin}/s/{new_name}/")


def main() -> None:
    cli()


def _print_code(name: str, code: str, settings: Settings) -> None:
    typer.echo(f"site: {name}\ncode: {code}")
    typer.echo(f"The code works once, within {CODE_LIFE_S // 60} minutes, and is not shown again. At home:")
    typer.echo(f"  wallport-edge enroll --relay {settings.origin} --code {code}")
    typer.echo(f"or, where Docker runs the edge:\n  {IN_DOCKER} enroll --relay {settings.origin} --code {code}")


def _enrolment(row: SiteRow) -> str:
    if row.enrolled_at is not None:
        return f"enrolled {as_rfc3339(row.enrolled_at)}"
    if row.code_expires_at is not None and row.code_expires_at > time.time():
        return f"code until {as_rfc3339(row.code_expires_at)}"
    return "not enrolled" if row.code_expires_at is None else "not enrolled, code expired"


def _presence(seen: LastSeen | None) -> str:
    if seen is None:
        return "last seen: Redis does not answer"
    if seen.last_seen_at is None:
        return "never seen"
    if seen.offline_since is None:
        rtt = f", round trip {seen.rtt_s * 1000:.1f} ms" if seen.rtt_s is not None else ""
        return f"online, seen {as_rfc3339(seen.last_seen_at)}{rtt}"
    return f"offline since {as_rfc3339(seen.offline_since)}"


def _rival(seen: LastSeen | None) -> str:
    if seen is None or seen.rival_at is None or seen.rival_at < time.time() - RIVAL_SHOWN_S:
        return ""
    return f"; TWO EDGES with this identity, last {as_rfc3339(seen.rival_at)}"


async def _last_seen(settings: Settings, rows: list[SiteRow]) -> list[LastSeen | None]:
    presence = RedisPresence(settings.redis_url)
    try:
        return [await presence.last_seen(row.site_id) for row in rows]
    except RedisUnavailable:
        return [None] * len(rows)
    finally:
        await presence.close()


@contextmanager
def _registry() -> Iterator[tuple[Registry, Settings]]:
    """The registry; an error of ours ends the command with its message."""
    settings = _settings()
    make_private(settings.data_dir)
    try:
        registry = open_registry(settings.database_url)
        try:
            yield registry, settings
        finally:
            registry.close()
    except FieldError as exc:
        _refuse(exc)
    except AppError as exc:
        typer.echo(exc.message, err=True)
        raise typer.Exit(EXIT_FAILED) from None


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
