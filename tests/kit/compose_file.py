"""docker-compose.yml as the tests see it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def load() -> dict[str, Any]:
    """The whole file, anchors and merges resolved, variables as they stand."""
    with (ROOT / "docker-compose.yml").open() as file:
        loaded: dict[str, Any] = yaml.safe_load(file)
    return loaded


def environment(service: str, variables: Mapping[str, str], secrets: Path) -> dict[str, str]:
    """What a service finds in its environment, with the owner's `variables`, and `secrets` for /run/secrets.

    A name without a value is passed on where the owner has set it.
    """

    def value_of(found: re.Match[str]) -> str:
        return variables.get(found[1], found[2])

    declared: dict[str, str | None] = load()["services"][service]["environment"]
    values = {name: variables.get(name) if value is None else value for name, value in declared.items()}
    return {
        name: re.sub(r"\$\{(\w+):-(.*?)\}", value_of, value).replace("/run/secrets", str(secrets))
        for name, value in values.items()
        if value is not None
    }
