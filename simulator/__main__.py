"""The command line of `wallport-demo`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from common.console import Version
from common.errors import AppError
from simulator.demo import DemoOptions, run_demo
from simulator.dialects import Generation

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def demo(
    *,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write URLs, logins and pids here as JSON once everything answers.")
    ] = None,
    dialect: Annotated[
        Generation, typer.Option(help="The openWB generation that the simulator speaks.")
    ] = Generation.V1,
    seed: Annotated[int, typer.Option(help="The same seed makes the same weather and the same cars.")] = 1,
    history_days: Annotated[
        int, typer.Option(min=0, max=400, help="So many days are recorded already when the demo starts.")
    ] = 7,
    speed: Annotated[
        float, typer.Option(min=1, max=1000, help="Time runs so many times as fast, from a day ago until now.")
    ] = 1.0,
    openwb: Annotated[
        str | None, typer.Option(help="Your own wallbox or broker, mqtt://HOST, in place of the simulator.")
    ] = None,
    real: Annotated[bool, typer.Option("--real", help="mosquitto, redis-server and MariaDB of this machine.")] = False,
    port_base: Annotated[
        int | None, typer.Option(min=1024, max=65000, help="First of the ports in use; default 8480, or the next free.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Everything the demo writes stays in here.")] = Path(".demo"),
    _version: Version = False,
) -> None:
    """Run the whole of Wallport on this machine: wallbox simulator, edge, api and relay. Ctrl-C ends it."""
    options = DemoOptions(
        dialect=dialect.value,
        seed=seed,
        history_days=history_days,
        speed=speed,
        openwb_url=openwb,
        use_real_servers=real,
        port_base=port_base,
        folder=folder.resolve(),
        ready_file=ready_file.resolve() if ready_file else None,
    )
    try:
        sys.exit(run_demo(options))
    except AppError as error:
        typer.echo(f"wallport-demo: {error.message}", err=True)
        if error.detail:
            typer.echo(error.detail, err=True)
        sys.exit(2 if error.code == "invalid_input" else 1)


def main() -> None:
    cli()


if __name__ == "__main__":
    main()
