"""Every route as the OpenAPI document describes it: bodies, answers, parameters and codes, with a few words. Pure.

Types stand in shapes.py, rules in access.py; openapi.py makes the document of all three.
"""

from collections.abc import Mapping
from typing import Any

from api import charge_sessions, legacy_operations, rfid_operations, session_shapes, shapes, statistic_shapes
from api.control import LONGEST_KEY
from api.downloads import MOST_IN_A_WORKBOOK
from api.exports import pdf
from api.history import MOST_STEPS
from api.operation import Operation, Parameter
from api.operations_people import PEOPLE
from api.statistics import MOST_PERIODS

_TEXT = {"type": "string"}
_INSTANT = {"type": "string", "format": "date-time"}
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
    "idempotency_key_reused",
    "too_many_commands",
    "state_unknown",
    "edge_silent",
    "wallbox_silent",
    "redis_unavailable",
    "acceptance_unknown",
)
_STORE_PROBLEMS = ("invalid_input", "store_unavailable", "overloaded")
_PERIODS = (
    Parameter(
        "by",
        "`day`, `month` (if absent) or `year`, by the site's clock",
        {"type": "string", "enum": ["day", "month", "year"]},
    ),
    Parameter(
        "from",
        "an instant in the first period; if absent the month of `to` by days, its year by months, or ten years",
        _INSTANT,
    ),
    Parameter("to", "the instant before which the last period begins; now if absent", _INSTANT),
)
_MONTH = {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}
_COMMAND_WAITS = "Waits up to 5 s for the wallbox: 200 when the command is settled, however it ended, else 202."

_BOUNDARY = {"anyOf": [{"type": "string", "format": "date"}, _INSTANT]}
_FILTERS = (
    Parameter("from", "sessions that began then or later; a day begins at the site's midnight", _BOUNDARY),
    Parameter("to", "sessions that began before", _BOUNDARY),
    Parameter("charge_point", "its id", _TEXT),
    Parameter("user", "the name of who charged; for drivers their own, not for viewers", _TEXT),
    Parameter("tag", "the RFID tag; not for viewers", _TEXT),
    Parameter("vehicle", "its name", _TEXT),
)
_LANGUAGE = Parameter("lang", "else as `Accept-Language` says, else de", {"type": "string", "enum": ["de", "en"]})
_SESSION_ID = Parameter("id", "as in `GET /api/v1/sessions`", _TEXT)
_SESSION_PROBLEMS = ("invalid_input", "store_unavailable", "overloaded")

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/healthz"): Operation("Whether the process is alive", shapes.HealthAnswer),
    ("GET", "/readyz"): Operation(
        "Whether everything that is configured works", shapes.ReadyAnswer, problems=("not_ready",)
    ),
    ("GET", "/openapi.json"): Operation("This document", dict[str, Any]),
    ("GET", "/docs"): Operation("This document as a page", str, media_type="text/html"),
    **PEOPLE,
    ("GET", "/api/v1/site"): Operation(
        "What the site is and has", shapes.SiteAnswer, problems=("redis_unavailable", "state_unknown"), has_etag=True
    ),
    ("GET", "/api/v1/state"): Operation(
        "All values of the present",
        shapes.StateAnswer,
        parameters=(_FIELDS,),
        problems=("invalid_input", "redis_unavailable", "state_unknown"),
        has_etag=True,
        description="The ETag changes with the values and with `is_stale`, not with their ages.",
    ),
    ("GET", "/api/v1/chargepoints"): Operation(
        "All charge points",
        shapes.ChargePointsAnswer,
        problems=("redis_unavailable", "state_unknown"),
        has_etag=True,
    ),
    ("GET", "/api/v1/chargepoints/{id}"): Operation(
        "One charge point",
        shapes.ChargePointAnswer,
        parameters=(_ID,),
        problems=("not_found", "redis_unavailable", "state_unknown"),
        has_etag=True,
    ),
    ("PATCH", "/api/v1/chargepoints/{id}"): Operation(
        "Wish something of one charge point",
        shapes.CommandAnswer,
        body=shapes.ChargePointBody,
        parameters=(_ID, _KEY),
        problems=_COMMAND_PROBLEMS,
        description=f"{_COMMAND_WAITS} With openWB 1.9 the mode is the whole site's; `affects` says so.",
        is_command=True,
    ),
    ("POST", "/api/v1/chargepoints/{id}/reset-energy"): Operation(
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
        "Set the charge mode of the site, or of one charge point",
        shapes.CommandAnswer,
        body=shapes.ChargeModeBody,
        parameters=(_KEY,),
        problems=_COMMAND_PROBLEMS,
        description=_COMMAND_WAITS,
        is_command=True,
    ),
    ("GET", "/api/v1/commands/{id}"): Operation(
        "What became of a command",
        shapes.CommandAnswer,
        parameters=(Parameter("id", "as in the answer that made it", _TEXT),),
        problems=("not_found", "redis_unavailable"),
        description="Commands are kept for a day. The live channel tells of each step as an event.",
    ),
    ("GET", "/api/v1/history"): Operation(
        "Recorded values, one per step",
        shapes.HistoryAnswer,
        parameters=(
            Parameter("from", "the first instant; 24 hours before `to` if absent", _INSTANT),
            Parameter("to", "the instant before which it ends; now if absent", _INSTANT),
            Parameter("series", "paths or their beginnings, with commas between; all if absent", _TEXT),
            Parameter(
                "resolution",
                "`raw`, the seconds of a step (60, 120, 300, 600, 900, 3600), `day` or `month`; as if absent, `auto`: "
                "the finest that fits",
                {"type": "string", "pattern": "^(auto|raw|day|month|[1-9][0-9]{0,5})$"},
            ),
        ),
        problems=_STORE_PROBLEMS,
        description=(
            f"At most {MOST_STEPS} steps. A step has the mean of a power, the sum of an energy (`…energy_wh`, in steps "
            "of 900 s or more), and of everything else the value at its beginning."
        ),
    ),
    ("GET", "/api/v1/statistics"): Operation(
        "Energies of the site by day, month or year",
        statistic_shapes.SiteStatisticsAnswer,
        parameters=_PERIODS,
        problems=_STORE_PROBLEMS,
        description=f"At most {MOST_PERIODS} periods, all of them whole.",
    ),
    ("GET", "/api/v1/statistics/sessions"): Operation(
        "Sums of charge sessions by day, month or year",
        statistic_shapes.SessionStatisticsAnswer,
        parameters=(
            *_PERIODS,
            Parameter(
                "group",
                "all sessions together if absent",
                {"type": "string", "enum": ["user", "tag", "vehicle", "charge_point"]},
            ),
        ),
        problems=_STORE_PROBLEMS,
        description="A session belongs to the period in which it began. Drivers are told of their own sessions.",
    ),
    ("GET", "/api/v1/statistics/reconciliation"): Operation(
        "A month's charge sessions against the charge points' meters",
        statistic_shapes.ReconciliationAnswer,
        parameters=(Parameter("month", "like 2026-11; the present one if absent", _MONTH),),
        problems=_STORE_PROBLEMS,
    ),
    ("GET", "/api/v1/sessions"): Operation(
        "Charge sessions, newest first",
        session_shapes.SessionsAnswer,
        parameters=(
            *_FILTERS,
            Parameter(
                "limit",
                f"{charge_sessions.DEFAULT_LIMIT} if absent",
                {"type": "integer", "minimum": 1, "maximum": charge_sessions.MOST_AT_ONCE},
            ),
            Parameter("cursor", "`next_cursor` of the page before", _TEXT),
        ),
        problems=_SESSION_PROBLEMS,
        has_etag=True,
        description=(
            "A driver sees their own sessions, a viewer all of them without `user` and `tag`. A session belongs to the "
            "day and month in which it began by the site's clock (`WALLPORT_TIME_ZONE`), here and in the documents."
        ),
    ),
    ("GET", "/api/v1/sessions/{id}"): Operation(
        "One charge session with its segments and corrections",
        session_shapes.SessionAnswer,
        parameters=(_SESSION_ID,),
        problems=("not_found", *_SESSION_PROBLEMS),
        has_etag=True,
    ),
    ("PATCH", "/api/v1/sessions/{id}"): Operation(
        "Correct a charge session; what stood there is kept",
        session_shapes.SessionAnswer,
        body=session_shapes.SessionBody,
        parameters=(_SESSION_ID,),
        problems=("malformed_body", "not_found", *_SESSION_PROBLEMS),
    ),
    ("GET", "/api/v1/sessions.csv"): Operation(
        "Charge sessions as CSV",
        str,
        parameters=(
            *_FILTERS,
            _LANGUAGE,
            Parameter(
                "separator",
                "semicolon with decimal commas, or comma with points; by the language if absent",
                {"type": "string", "enum": ["semicolon", "comma", ";", ","]},
            ),
            Parameter("bom", "1: begin with a byte order mark, for old Excel", {"type": "string", "enum": ["0", "1"]}),
        ),
        problems=_SESSION_PROBLEMS,
        media_type="text/csv",
    ),
    ("GET", "/api/v1/sessions.xlsx"): Operation(
        "Charge sessions as a workbook",
        str,
        parameters=(*_FILTERS, _LANGUAGE),
        problems=("document_failed", *_SESSION_PROBLEMS),
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        description=f"At most {MOST_IN_A_WORKBOOK} sessions.",
    ),
    ("GET", "/api/v1/sessions.pdf"): Operation(
        "Charge sessions as a printed record",
        str,
        parameters=(*_FILTERS, _LANGUAGE),
        problems=_SESSION_PROBLEMS,
        media_type="application/pdf",
        description=f"At most {pdf.MOST_SESSIONS} sessions.",
    ),
    **rfid_operations.OPERATIONS,
    **legacy_operations.OPERATIONS,
    ("GET", "/api/v1/live"): Operation(
        "Websocket: a snapshot, then every change",
        shapes.LiveSnapshot | shapes.LiveChange | shapes.LiveEvent,
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
        "The raw MQTT mirror", shapes.TopicsAnswer, problems=("redis_unavailable",)
    ),
}
"""(method, path) → what it does."""
