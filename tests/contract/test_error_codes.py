"""docs/errors.md lists every code that a client or an operator may see, and no other."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from api.problems import PROBLEMS
from common.errors import AppError
from common.problems import title_of
from edge.dispatch import refusal
from relay import problems as relays

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"
NGINX = Path(__file__).parents[2] / "nginx"


def _errors(of: type[AppError]) -> Iterator[type[AppError]]:
    for error in of.__subclasses__():
        yield error
        yield from _errors(error)


def _codes(*products: str) -> set[str]:
    """The codes of all error classes of some products."""
    for product in products:
        package = importlib.import_module(product)
        for module in pkgutil.walk_packages(package.__path__, f"{product}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return {error.code for error in _errors(AppError) if error.__module__.partition(".")[0] in products}


def _documented() -> set[str]:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}


def test_every_code_of_the_api_is_documented_and_has_a_status() -> None:
    """A new error class needs both, or its clients get 500."""
    codes = _codes("api") - {"internal"}
    assert codes <= _documented()
    own = {"key_file_unusable", "listener_unusable"}  # of the command line only
    assert codes - own <= set(PROBLEMS)


def test_every_problem_of_the_api_is_documented() -> None:
    """Also those of the web server itself."""
    assert set(PROBLEMS) <= _documented()


def test_every_shared_code_is_documented() -> None:
    """Those of common that leave it: the store's, the settings', the tokens'."""
    inner = {code for code in _codes("common") if code.startswith(("tunnel_", "stream_", "device_key"))}
    assert _codes("common") - inner <= _documented()


def _refusals() -> set[str]:
    """The codes by which the edge keeps a request outside; they are no errors, so no class tells them."""
    kept_out = [refusal(method, target) for method, target in (("TRACE", "/"), ("GET", "//"), ("GET", "/nowhere"))]
    return {why.code for why in kept_out if why is not None}


def test_every_refusal_of_the_edge_is_documented() -> None:
    """A phone is told it like any other error."""
    assert "bad_path" in _refusals()
    assert _refusals() <= _documented()


def _nginx() -> dict[str, str]:
    """code → title of what nginx answers itself, as two maps from a status in each template."""
    found: dict[str, str] = {}
    for template in NGINX.glob("*.conf"):
        maps = re.findall(r"map \$status \$\w+_(code|problem) {(.*?)}", template.read_text(encoding="utf-8"), re.DOTALL)
        told = {kind: dict(re.findall(r'(\w+) +"?([^";]+)"?;', lines)) for kind, lines in maps}
        assert told["code"].keys() == told["problem"].keys()
        found |= {told["code"][status]: told["problem"][status] for status in told["code"]}
    return found


def test_every_answer_of_nginx_is_documented() -> None:
    """It stands in front of both, and clients see it first."""
    assert {"api_unavailable", "relay_unavailable", "too_many_requests"} <= set(_nginx()) <= _documented()


def test_a_code_has_one_title() -> None:
    """Whether the api answers, the relay, nginx, or the edge in its place."""
    for code, title in _nginx().items():
        assert PROBLEMS.get(code, (0, title))[1] == title
    shared = PROBLEMS.keys() & (relays.STATUS.keys() | _refusals() | {"internal"})
    assert {"bad_request", "invalid_token", "internal"} <= shared
    for code in shared:
        status, title = PROBLEMS[code]
        assert json.loads(relays.problem(status, code, ""))["title"] == title == title_of(code)


def test_nothing_is_documented_that_does_not_exist() -> None:
    """A code that was renamed must not live on here."""
    assert _documented() <= _codes("api", "common", "edge", "relay") | set(PROBLEMS) | _refusals() | set(_nginx())
