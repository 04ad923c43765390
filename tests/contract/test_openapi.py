"""The OpenAPI document against what is served: routes, rules, shapes, and the JSON Schema it is written in."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from api import access, live, openapi, operations, views
from api.app import served_routes
from api.handlers import control
from common.commands import Command, accepted
from common.live_events import ScanEvent, SessionEvent, SessionEventType
from tests.kit.api_client import PASSWORD, RunningApi, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.states import SITE

DOCUMENT = msgspec.json.decode(msgspec.json.encode(openapi.document()))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, redis_server: Any) -> Iterator[RunningApi]:
    """One api and one state for all these tests, which change nothing."""
    redis_server.flush()
    edge = EdgeDouble(redis_server.url)
    edge.tell(SITE)
    edge.beat()
    folder = tmp_path_factory.mktemp("openapi")
    with running_api(folder, redis_server.url, f"sqlite://{folder / 'store.sqlite'}") as api:
        yield api
    edge.close()


def _fits(value: Any, path: str, status: str = "200", method: str = "get") -> None:
    """`value` is what the document says of this answer, and has no key that the document does not know."""
    content = next(iter(DOCUMENT["paths"][path][method]["responses"][status]["content"].values()))
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)
    _no_stray_keys(value, content["schema"])


def _no_stray_keys(value: Any, schema: dict[str, Any]) -> None:
    if "$ref" in schema:
        _no_stray_keys(value, DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    elif "discriminator" in schema and isinstance(value, dict):
        told_by = schema["discriminator"]
        _no_stray_keys(value, {"$ref": told_by["mapping"][value[told_by["propertyName"]]]})
    elif "anyOf" in schema:
        for option in schema["anyOf"]:
            if "$ref" in option and isinstance(value, dict):
                _no_stray_keys(value, option)
    elif isinstance(value, dict) and "properties" in schema:
        assert value.keys() <= schema["properties"].keys()
        for key, item in value.items():
            _no_stray_keys(item, schema["properties"][key])


def test_routes_rules_and_document_are_one_list(api: RunningApi) -> None:
    """A route that is missing from one of the three answers nobody, or is known to nobody."""
    served = served_routes(api.app)
    assert served == set(access.RULES)
    assert served == set(operations.OPERATIONS)
    assert served == {(method.upper(), path) for path, of in DOCUMENT["paths"].items() for method in of}


def test_the_security_page_prints_the_table() -> None:
    """docs/security.md is what access.py says."""
    page = Path(__file__).parents[2] / "docs" / "security.md"
    assert access.table() in page.read_text(encoding="utf-8")
    assert access.wish_table() in page.read_text(encoding="utf-8")


def test_every_reference_leads_somewhere() -> None:
    """And every schema is itself valid JSON Schema 2020-12."""
    schemas = DOCUMENT["components"]["schemas"]

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    assert {reference.rpartition("/")[2] for reference in references(DOCUMENT)} <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_operation_ids_are_unique() -> None:
    """Generators make function names of them."""
    ids = [operation["operationId"] for of in DOCUMENT["paths"].values() for operation in of.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/api/v1/me",
        "/api/v1/site",
        "/api/v1/state",
        "/api/v1/state?fields=grid.power_w,charge_points.1.limit",
        "/api/v1/chargepoints",
        "/api/v1/history?from=2027-01-15T08:00:00Z&to=2027-01-15T08:03:00Z",
    ],
)
def test_real_answers_fit_their_shapes(api: RunningApi, path: str) -> None:
    """Also of a selection."""
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    _fits(answer.json(), path.partition("?")[0])


def test_the_other_real_answers_fit_too(api: RunningApi) -> None:
    """One charge point, a login, a ticket and a problem."""
    _fits(api.get("/api/v1/chargepoints/1").json(), "/api/v1/chargepoints/{id}")
    login = api.lan.post("/api/v1/auth/login", json={"username": "viewer", "password": PASSWORD})
    _fits(login.json(), "/api/v1/auth/login", method="post")
    ticket = api.lan.post("/api/v1/auth/ticket", headers=api.login("viewer"))
    _fits(ticket.json(), "/api/v1/auth/ticket", method="post")
    _fits(api.get("/api/v1/state?fields=bogus").json(), "/api/v1/state", "400")


def test_real_commands_and_live_messages_fit(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is not settled, at both of its places; a snapshot, and an event."""
    monkeypatch.setattr(control, "WAIT_S", 0.1)
    with api.live() as ws:
        _fits(msgspec.json.decode(ws.recv(timeout=10)), "/api/v1/live", "101")
    answer = api.lan.patch("/api/v1/chargepoints/1", json={"mode": "pv"}, headers=api.login("driver"))
    _fits(answer.json(), "/api/v1/chargepoints/{id}", "202", "patch")
    _fits(api.get(answer.headers["location"]).json(), "/api/v1/commands/{id}")
    whole = replace(accepted(Command(**WISH)), published_at=1.0, settled_at=2.0, detail="x", affects=("2",))
    _fits({"type": "event", "seq": 1, "occurred_at": None, "event": views.command_event(whole)}, "/api/v1/live", "101")
    scan = ScanEvent(charge_point=None, scanned_at=1.0, outcome="no_plug")
    _fits({"type": "event", "seq": 1, "occurred_at": None, "event": views.scan_event(scan)}, "/api/v1/live", "101")
    change = live.change_message(1, 2.0, {"pv": None})
    _fits(change, "/api/v1/live", "101")
    for kind in SessionEventType:
        session = SessionEvent(type=kind, charge_point="1", started_at=1, ended_at=2, energy_wh=None)
        _fits(
            {"type": "event", "seq": 1, "occurred_at": None, "event": views.session_event(session)},
            *("/api/v1/live", "101"),
        )


WISH: dict[str, Any] = {"id": "1", "charge_point": None, "wishes": {"mode": "pv"}, "accepted_at": 0.0, "by": "driver"}


def test_the_document_is_served_and_so_is_its_page(api: RunningApi) -> None:
    """To whoever is logged in, also by a ticket from a browser; the page needs nothing from elsewhere."""
    served = api.get("/openapi.json")
    assert served.json() == DOCUMENT
    ticket = api.lan.post("/api/v1/auth/ticket", headers=api.login("viewer")).json()["ticket"]
    page = api.lan.get(f"/docs?ticket={ticket}")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "//" not in page.text.replace("urn:", "").replace("https://relay", "")
    for path in DOCUMENT["paths"]:
        assert path in page.text
