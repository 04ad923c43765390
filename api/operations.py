"""Every route as the OpenAPI document describes it: bodies, answers, parameters and codes, with a few words. Pure.

Types stand in shapes.py, rules in access.py; openapi.py makes the document of all three.
"""

from collections.abc import Mapping
from typing import Any

from api import operations_legacy, operations_rfid, shapes, shapes_live, shapes_service
from api.control import LONGEST_KEY
from api.operation import Operation, Parameter
from api.operations_people import PEOPLE
from api.operations_records import RECORDS

_TEXT = {"type": "string"}
_FIELDS = Parameter("fields", "paths or their beginnings, with commas between: `grid,charge_points.1.power_w`", _TEXT)
_ID = Parameter("id", "as in `GET /api/v1/chargepoints`", _TEXT)
_KEY = Parameter(
    "Idempotency-Key",
    "chosen by the client, a new one for each wish; a repeated request with the same key is answered with the same "
    "command, for a day",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    is_header=True,
)
_COMMAND_PROBLEMS = (
    "malformed_body",
    "invalid_input",
    "unknown_charge_point",
    "not_possible",
    "command_failed",
    "idempotency_key_reused",
    "too_many_commands",
    "state_unknown",
    "edge_silent",
    "wallbox_silent",
    "redis_unavailable",
    "acceptance_unknown",
)
_COMMAND_WAITS = (
    "Waits up to 5 s for the wallbox: 200 when it has done it, 202 while it may still, 409 when nothing comes of it."
)

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/"): Operation(
        "getWebApp",
        "The web app, or a page that says what this is",
        str,
        media_type="text/html",
        description="Who accepts JSON, and not HTML, is told where API, documents and setup are, relative to here.",
    ),
    ("GET", "/sw.js"): Operation(
        "getServiceWorker", "The web app's service worker", str, media_type="text/javascript", problems=("not_found",)
    ),
    ("GET", "/assets/{file}"): Operation(
        "getWebAppFile",
        "A file of the web app",
        bytes,
        media_type="application/octet-stream",
        parameters=(Parameter("file", "as the page names it", _TEXT),),
        problems=("not_found",),
    ),
    ("GET", "/healthz"): Operation("getHealth", "Whether the process is alive", shapes_service.HealthAnswer),
    ("GET", "/readyz"): Operation(
        "getReadiness",
        "Whether everything that is configured works",
        shapes_service.ReadyAnswer,
        problems=("not_ready",),
    ),
    ("GET", "/openapi.json"): Operation("getOpenapi", "This document", dict[str, Any]),
    ("GET", "/openapi-legacy.json"): Operation(
        "getLegacyOpenapi", "The routes of an existing app, in a document of their own", dict[str, Any]
    ),
    ("GET", "/docs"): Operation("getDocsPage", "This document as a page", str, media_type="text/html"),
    **PEOPLE,
    ("GET", "/api/v1/site"): Operation(
        "getSite",
        "What the site is and has",
        shapes.SiteAnswer,
        problems=("redis_unavailable", "state_unknown"),
        has_etag=True,
    ),
    ("GET", "/api/v1/state"): Operation(
        "getState",
        "All values of the present",
        shapes.StateAnswer,
        parameters=(_FIELDS,),
        problems=("invalid_input", "redis_unavailable", "state_unknown"),
        has_etag=True,
        description="The ETag changes with the values and with `is_stale`, not with their ages.",
    ),
    ("GET", "/api/v1/chargepoints"): Operation(
        "listChargePoints",
        "All charge points",
        shapes.ChargePointsAnswer,
        problems=("redis_unavailable", "state_unknown"),
        has_etag=True,
    ),
    ("GET", "/api/v1/chargepoints/{id}"): Operation(
        "getChargePoint",
        "One charge point",
        shapes.ChargePointAnswer,
        parameters=(_ID,),
        problems=("not_found", "redis_unavailable", "state_unknown"),
        has_etag=True,
    ),
    ("PATCH", "/api/v1/chargepoints/{id}"): Operation(
        "changeChargePoint",
        "Wish something of one charge point",
        shapes.CommandAnswer,
        body=shapes.ChargePointBody,
        parameters=(_ID, _KEY),
        problems=_COMMAND_PROBLEMS,
        description=f"{_COMMAND_WAITS} With openWB 1.9 the mode is the whole site's; `affects` says so.",
        is_command=True,
    ),
    ("POST", "/api/v1/chargepoints/{id}/reset-energy"): Operation(
        "resetEnergy",
        "Let the energy of the running charge count from 0",
        shapes.CommandAnswer,
        body=shapes.NoBody,
        parameters=(_ID, _KEY),
        problems=_COMMAND_PROBLEMS,
        description=_COMMAND_WAITS,
        is_command=True,
        is_body_optional=True,
    ),
    ("PUT", "/api/v1/charge-mode"): Operation(
        "setChargeMode",
        "Set the charge mode of the site, or of one charge point",
        shapes.CommandAnswer,
        body=shapes.ChargeModeBody,
        parameters=(_KEY,),
        problems=_COMMAND_PROBLEMS,
        description=_COMMAND_WAITS,
        is_command=True,
    ),
    ("GET", "/api/v1/commands/{id}"): Operation(
        "getCommand",
        "What became of a command",
        shapes.CommandAnswer,
        parameters=(Parameter("id", "as in the answer that made it", _TEXT),),
        problems=("not_found", "redis_unavailable"),
        description="Commands are kept for a day. The live channel tells of each step as an event.",
    ),
    **RECORDS,
    **operations_rfid.OPERATIONS,
    **operations_legacy.OPERATIONS,
    ("GET", "/api/v1/live"): Operation(
        "connectLive",
        "Websocket: a snapshot, then every change",
        shapes_live.LiveMessage,
        parameters=(
            Parameter(
                "since", "the last number the client knows: it is told all changes after it", {"type": "integer"}
            ),
            _FIELDS,
        ),
        problems=("invalid_input", "upgrade_required", "redis_unavailable", "overloaded"),
        description=(
            "Each message is one JSON object. With `since` the changes after it follow at once, or a new snapshot if "
            "they are no longer known. A slow client is told the newest value of each path and the newest step of each "
            "command. Events are told whatever `fields` selects; those of before a snapshot are not told, so that a "
            "client then looks at its open commands with `GET /api/v1/commands/{id}`. The server closes with "
            "4401 when the access token has expired, 1001 when it stops, 1011 after a fault; a client that takes "
            "nothing for 10 s is cut off. What the client sends is ignored."
        ),
        success="101",
    ),
    ("GET", "/api/v1/admin/topics"): Operation(
        "listTopics", "The raw MQTT mirror", shapes_service.TopicsAnswer, problems=("redis_unavailable",)
    ),
}
"""(method, path) → what it does."""
