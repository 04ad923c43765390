"""The process and its command line: run it, check its settings, manage its users. Nothing secret is an argument."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from api import audit
from api.access import Role
from api.app import serve
from api.settings import Settings, read_settings
from common import logs
from common.clock import parse_clock
from common.console import Version, is_in_container
from common.errors import AppError, FieldError
from common.security import totp
from common.security.passwords import Passwords, checked
from common.security.refresh_tokens import digest, one_time_secret
from common.settings import SettingsError
from common.store import audit as store_audit
from common.store import devices, setup, users
from common.store.bind import Store, open_store
from common.store.errors import UserUnknown
from common.store.names import clean

BAD_SETTINGS = 2
FAILED = 1
SETUP_LINK_S = 3600  # to walk from the box to a browser
NOWHERE = ("192.0.2.1", 9)  # RFC 5737: documentation only
SOME_ADDRESS = "ADDRESS-OF-THIS-MACHINE"
LONGEST_PASSWORD_FILE = 4096  # bytes

cli = typer.Typer(
    name="wallport-api",
    help="The on-site API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user_cli = typer.Typer(no_args_is_help=True, help="The people who may log in.")
cli.add_typer(user_cli, name="user")

Name = Annotated[str, typer.Argument(help="1 to 64 characters, upper and lower case alike", metavar="NAME")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="Read the password from the first line of this file; - is standard input.")
]


def main() -> None:
    cli()


@cli.callback()
def options(_version: Version = False) -> None:
    pass


@cli.command()
def run(clock: Annotated[str | None, typer.Option(help="starts_at/anchored_at/speed, for the demo")] = None) -> None:
    """Serve until SIGTERM."""
    with _clear_words():
        settings = _settings()
        logs.set_up(settings.log_level, settings.log_form)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings, parse_clock(clock)))


@cli.command()
def check_config() -> None:
    """Say what is wrong with the settings, all at once, and end with 2; or that they are good."""
    with _clear_words():
        _settings()
    typer.echo("the settings are good")


@cli.command()
def setup_link() -> None:
    """Print a link with which the first admin is made in a browser on the LAN: once, within an hour."""
    with _clear_words():
        settings = _settings()
        with _opened(settings) as store:
            secret = one_time_secret("wps")
            setup.put_link(store, digest(secret), int(time.time()) + SETUP_LINK_S)
            _note(store, "setup_link", "")
    typer.echo(f"{settings.lan_url or _guessed_url(settings)}/setup#{secret}")
    typer.echo("It is good once, for an hour, and on the site's own network only.", err=True)
    if settings.lan_url is None:
        typer.echo(
            "The address is a guess. With WALLPORT_API_LAN_URL the right one stands here, and in pairing codes.",
            err=True,
        )


@user_cli.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the user may do.")],
    password_file: PasswordFile = None,
) -> None:
    """Add a user. Asks for the password, or reads it from a file."""
    with _clear_words(), _store() as store:
        clean(name)
        password_hash = Passwords().hash(_password(password_file))
        users.add(store, name=name, password_hash=password_hash, role=role.value, created_at=int(time.time()))
        _note(store, "user_add", name, {"role": role.value})
    typer.echo(f"added {name} as {role.value}")


@user_cli.command("list")
def list_users() -> None:
    """Show all users."""
    with _clear_words(), _store() as store:
        for user in users.list_all(store):
            marks = [user.role, *(["disabled"] if user.is_disabled else []), *(["totp"] if user.totp_secret else [])]
            typer.echo(f"{user.name}\t{', '.join(marks)}")


@user_cli.command()
def set_password(name: Name, password_file: PasswordFile = None) -> None:
    """Replace a user's password. All their logins and tokens end within 2 seconds."""
    with _clear_words(), _store() as store:
        _check_known(store, name)
        users.set_password_hash(store, name, Passwords().hash(_password(password_file)))
        gone = devices.revoke_all(store, _check_known(store, name))
        _note(store, "password_change", name, {"ended_devices": len(gone)})
    typer.echo(f"set the password of {name}")


@user_cli.command("totp")
def new_totp(name: Name) -> None:
    """Make a TOTP secret for a user and show it, this once. It replaces an earlier one."""
    with _clear_words():
        settings = _settings()
        with _opened(settings) as store:
            secret = totp.new_secret()
            users.set_totp_secret(store, name, secret)
            _note(store, "totp_confirm", name)
    typer.echo(f"secret: {secret}")
    typer.echo(f"uri:    {totp.uri(secret, user=name, site=settings.site_name)}")


@user_cli.command()
def reset_totp(name: Name) -> None:
    """Take a user's authenticator app and recovery codes away, for whoever lost both."""
    with _clear_words(), _store() as store:
        users.set_totp_secret(store, name, None)
        _note(store, "totp_reset", name)
    typer.echo(f"{name} has no authenticator app any more")


@user_cli.command()
def disable(name: Name) -> None:
    """Let a user log in no more. All their logins and tokens end within 2 seconds."""
    _set_disabled(name, True)
    typer.echo(f"disabled {name}")


@user_cli.command()
def enable(name: Name) -> None:
    """Let a disabled user log in again."""
    _set_disabled(name, False)
    typer.echo(f"enabled {name}")


def _guessed_url(settings: Settings) -> str:
    """Where a browser finds the api, as far as this machine can tell: behind a proxy that is its port 443."""
    if is_in_container():
        return f"https://{SOME_ADDRESS}"
    if settings.trusted_proxies:
        return f"https://{_own_address()}"
    host = _own_address() if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 -- compared
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _own_address() -> str:
    """The address with which this machine would leave its network; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(NOWHERE)
        except OSError:
            return SOME_ADDRESS
        return str(probe.getsockname()[0])


def _set_disabled(name: str, is_disabled: bool) -> None:
    with _clear_words(), _store() as store:
        users.set_disabled(store, name, is_disabled)
        if is_disabled:
            devices.revoke_all(store, _check_known(store, name))
        _note(store, "user_change", name, {"is_disabled": is_disabled})


def _settings() -> Settings:
    return read_settings(os.environ)


@contextmanager
def _store() -> Iterator[Store]:
    with _opened(_settings()) as store:
        yield store


@contextmanager
def _opened(settings: Settings) -> Iterator[Store]:
    logs.set_up("error", settings.log_form)
    store = open_store(settings.database_url)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


def _check_known(store: Store, name: str) -> int:
    """The user's id; raises UserUnknown, before a password is asked for."""
    user = users.get(store, name)
    if user is None:
        raise UserUnknown(f"there is no user {name!r}")
    return user.id


def _note(store: Store, action: str, subject: str, new: Mapping[str, Any] | None = None) -> None:
    """An entry of the audit: whoever may run this command line is known to the machine, not to us."""
    entry = audit.row(
        happened_at=time.time(),
        user_name=None,
        device=None,
        origin="box",
        address="",
        action=action,
        subject=subject,
        old=None,
        new=new,
        result="ok",
    )
    store_audit.append(store, [entry])


def _password(file: Path | None) -> str:
    if file is None:
        return checked(str(typer.prompt("Password", hide_input=True, confirmation_prompt=True)))
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as source:
            text = source.read(LONGEST_PASSWORD_FILE).decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise FieldError("bad password file", {"password-file": "cannot be read as UTF-8 text"}) from exc
    return checked(text.partition("\n")[0].removesuffix("\r"))


@contextmanager
def _clear_words() -> Iterator[None]:
    """End with one clear line on standard error instead of a traceback."""
    try:
        yield
    except SettingsError as exc:
        for name, fault in sorted(exc.faults.items()):
            typer.echo(f"{name} {fault}", err=True)
        raise typer.Exit(BAD_SETTINGS) from exc
    except FieldError as exc:
        for name, fault in sorted(exc.faults.items()):
            typer.echo(f"{name} {fault}", err=True)
        raise typer.Exit(FAILED) from exc
    except AppError as exc:
        detail = f" ({logs.redact_text(exc.detail)})" if exc.detail else ""
        typer.echo(f"{exc.message}{detail}", err=True)
        raise typer.Exit(FAILED) from exc


if __name__ == "__main__":
    main()
