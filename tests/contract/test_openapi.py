"""The OpenAPI documents against what is served: routes, rules, shapes, and the JSON Schema they are written in.

What generators make of them is in test_generated_clients.py.
"""

import re
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
from api.openapi_examples import EXAMPLES
from common import commands, health
from common.commands import Command, accepted
from common.live_events import ScanEvent, SessionEvent, SessionEventType
from common.tunnel.errors import ErrorCode
from tests.kit.api_client import PASSWORD, RunningApi, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.states import SITE

DOCUMENT = msgspec.json.decode(msgspec.json.encode(openapi.document()))
LEGACY = msgspec.json.decode(msgspec.json.encode(openapi.legacy_document()))
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    (method.upper(), path): operation
    for document in (DOCUMENT, LEGACY)
    for path, methods in document["paths"].items()
    for method, operation in methods.items()
}


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
    elif "oneOf" in schema:
        for option in schema["oneOf"]:
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
    told = served - {("GET", "/internal/token-key")}  # the edge's own
    assert told == set(OPERATIONS)
    assert {path for _, path in told if openapi.is_legacy(path)} == set(LEGACY["paths"])


@pytest.mark.parametrize("document", [DOCUMENT, LEGACY])
def test_generators_find_what_they_name_things_by(document: dict[str, Any]) -> None:
    """Operation ids in camel case, each once; tags that are explained; servers."""
    operations = [operation for of in document["paths"].values() for operation in of.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", known) for known in ids)
    assert {tag for operation in operations for tag in operation["tags"]} == {tag["name"] for tag in document["tags"]}
    assert {"/", "https://relay.example.org/s/home"} == {server["url"] for server in document["servers"]}


@pytest.mark.parametrize("document", [DOCUMENT, LEGACY])
def test_schemas_have_the_plain_form(document: dict[str, Any]) -> None:
    """Each of these words made a generator refuse the document, or its client wrong."""
    for schema in _nodes(document):
        assert not schema.keys() & {"anyOf", "allOf", "prefixItems", "nullable"}, schema
        assert schema.get("items") is not False
        if "enum" in schema:
            assert schema.get("type"), schema
        if "discriminator" in schema:
            assert schema["oneOf"]
            assert None not in schema["oneOf"]
    for name, schema in document["components"]["schemas"].items():
        for field, kind in schema.get("properties", {}).items():
            assert "default" not in kind, (name, field)
            assert kind.get("type") != "null", (name, field)


def test_what_is_known_by_name_is_typed() -> None:
    """Instants, enumerations, numbers that may be unknown, files, and the answers of commands."""
    instant = SCHEMAS["StateAnswer"]["properties"]["updated_at"]
    assert (instant["type"], instant["format"]) == ("string", "date-time")
    assert SCHEMAS["Grid"]["properties"]["power_w"] == {"type": ["number", "null"]}
    for shape, field, named in (
        ("ChargePointBody", "mode", "Mode"),
        ("Limit", "type", "LimitType"),
        ("Fault", "level", "FaultLevel"),
        ("ProblemShape", "code", "ProblemCode"),
        ("CommandAnswer", "status", "CommandStatus"),
    ):
        assert SCHEMAS[shape]["properties"][field] == {"$ref": f"#/components/schemas/{named}"}
        assert SCHEMAS[named]["enum"]
    assert set(SCHEMAS["Wishes"]["properties"]) == set(SCHEMAS["Shown"]["properties"]) == set(commands.WISHES)
    assert SCHEMAS["ChargePointBody"]["properties"]["limit"] == {"$ref": "#/components/schemas/WishedLimit"}
    assert SCHEMAS["WishedLimit"]["discriminator"]["propertyName"] == "type"
    for ending in ("pdf", "xlsx"):
        (file,) = OPERATIONS["GET", f"/api/v1/sessions.{ending}"]["responses"]["200"]["content"].values()
        assert file["schema"] == {"type": "string", "format": "binary"}


def test_a_ticket_is_no_way_to_send_a_token() -> None:
    """A generator that takes it for one puts the access token into the URL."""
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"token"}
    tickets = {
        key
        for key, operation in OPERATIONS.items()
        if any(parameter["name"] == "ticket" for parameter in operation.get("parameters", ()))
    }
    assert tickets == {key for key, rule in access.RULES.items() if rule.takes_ticket}
    for key, operation in OPERATIONS.items():
        is_open = access.RULES[key].roles is None
        assert operation["security"] == ([] if is_open else [{"token": []}, *([{}] if key in tickets else [])])


def test_examples_fit_their_schemas() -> None:
    """Every body has one, and no example is left over."""
    bodies = {
        content["schema"]["$ref"].rpartition("/")[2]
        for of in DOCUMENT["paths"].values()
        for operation in of.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    }
    assert bodies <= set(EXAMPLES) <= set(SCHEMAS)
    for name, example in EXAMPLES.items():
        assert SCHEMAS[name]["examples"] == [example]
        schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(example)
        _no_stray_keys(example, SCHEMAS[name])


def test_the_code_of_a_problem_is_one_that_any_of_those_on_the_way_may_answer() -> None:
    """A client that knows the enumeration alone must not fail at what the relay or nginx says."""
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    over_http = page[page.index("## Answers of the api") : page.index("## In logs")]
    told = {
        code
        for row in over_http.splitlines()
        if row.startswith("| `")
        for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])
    }
    enrolment = {"bad_rotation", "bad_code", "wrong_origin"}  # an edge is told these, no client
    tunnel = {f"tunnel_{error.name.lower()}" for error in ErrorCode} - {"tunnel_none"}
    assert set(SCHEMAS["ProblemCode"]["enum"]) == told - enrolment - {"tunnel_failed"} | tunnel


def test_a_component_says_how_it_is_in_the_words_of_the_health_board() -> None:
    """They are two classes, since that one belongs to a board with a clock."""
    assert set(SCHEMAS["ComponentStatus"]["enum"]) == {one.value for one in health.Status}


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document, but the examples and the fields' names."""
    if isinstance(value, dict):
        yield value
        for key, item in value.items():
            if key == "properties":
                for schema in item.values():
                    yield from _nodes(schema)
            elif key != "examples":
                yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


@pytest.mark.parametrize("key", [key for key, told in OPERATIONS.items() if "101" not in told["responses"]])
def test_every_route_documents_the_400_of_a_parameter_that_it_does_not_know(
    api: RunningApi, key: tuple[str, str]
) -> None:
    """Whatever is answered stands in the document."""
    method, path = key
    answer = api.lan.request(method, f"{re.sub('{.*?}', 'x', path)}?bogus=1", headers=api.login("admin"))
    assert str(answer.status_code) in OPERATIONS[key]["responses"], answer.text
    assert "`bad_request`" in OPERATIONS[key]["responses"]["400"]["description"]


def test_the_security_page_prints_the_table() -> None:
    """docs/security.md is what access.py says, also of the tokens that may do less than a login."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    assert access.table() in page
    assert access.wish_table() in page
    sentences = " ".join(page.split())
    (legacy,) = access.LEGACY_SCOPES
    assert f"The existing app's token has `{legacy}` alone" in sentences
    reads, controls = sorted(access.TOKEN_SCOPES, reverse=True)
    assert f"An API token has `{reads}`, `{controls}` or both" in sentences


def test_every_reference_leads_somewhere() -> None:
    """And every schema is itself valid JSON Schema 2020-12."""

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    for document in (DOCUMENT, LEGACY):
        schemas = document["components"]["schemas"]
        assert {reference.rpartition("/")[2] for reference in references(document)} <= set(schemas)
        for schema in schemas.values():
            jsonschema.Draft202012Validator.check_schema(schema)


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
    wrong = api.lan.post("/api/login", json={"username": "viewer", "password": "wrong"})
    assert {"403"} == {str(wrong.status_code)} <= set(OPERATIONS["POST", "/api/login"]["responses"])
    assert "401" not in OPERATIONS["POST", "/api/login"]["responses"]


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


def test_the_documents_are_served_and_so_is_their_page(api: RunningApi) -> None:
    """Without a login, since they are the same everywhere; the page needs nothing from elsewhere."""
    served = api.lan.get("/openapi.json")
    assert served.json() == DOCUMENT
    again = api.lan.get("/openapi.json", headers={"if-none-match": served.headers["etag"]})
    assert again.status_code == 304
    assert api.lan.get("/openapi-legacy.json").json() == LEGACY
    page = api.lan.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "//" not in page.text.replace("urn:", "").replace("https://relay", "")
    for path in (*DOCUMENT["paths"], *LEGACY["paths"]):
        assert path in page.text
