"""What the products' command lines share: the version, and commands as people on this machine type them."""

import os
from importlib.metadata import version
from typing import Annotated

import typer

IN_CONTAINER = "WALLPORT_IN_CONTAINER"
"""Set by our image (deploy/Dockerfile); the files by which Docker shows are found on other machines, too."""


def _tell_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"wallport {version('wallport')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and end.")
]


def is_in_container() -> bool:
    """Whether this is a container of our own image."""
    return os.environ.get(IN_CONTAINER) == "true"


def command(product: str, words: str) -> str:
    """The command line of a product of this machine, to be typed outside of its container where it has one."""
    prefix = f"docker compose exec {product} " if is_in_container() else ""
    return f"{prefix}wallport-{product} {words}"
