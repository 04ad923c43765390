"""The routes of an existing iOS app, as the OpenAPI document describes them; see operations.py. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from api import shapes_legacy as shapes
from api.operation import Operation, Parameter

_STATE = ("state_unknown", "redis_unavailable")
_STORE = ("store_unavailable", "overloaded")
_BODY = ("malformed_body", "invalid_input")
_QUERY = ("invalid_input",)
_WHO = Parameter("who", "always `@me`", {"const": "@me"})
_FOR = "For an existing iOS app (docs/legacy-app.md); new clients use `/api/v1`. 403 stands for 401 here."

CALLS: Mapping[tuple[str, str], Operation] = {
    ("POST", "login"): Operation(
        "login",
        "Log in: the bare token",
        str,
        body=shapes.LegacyLoginBody,
        problems=(*_BODY, "login_failed", "wrong_code", "too_many_attempts", *_STORE),
        media_type="text/plain",
        description=_FOR,
    ),
    ("GET", "values"): Operation(
        "getPowers", "Powers now", shapes.Readings, problems=(*_QUERY, *_STATE), description=_FOR
    ),
    ("GET", "lademodus"): Operation(
        "getChargeMode", "The charge mode", shapes.ModeAnswer, problems=(*_QUERY, *_STATE), description=_FOR
    ),
    ("GET", "ladelog"): Operation(
        "listCharges",
        "Charge sessions, newest first: one's own, an admin's are all",
        shapes.LogAnswer,
        parameters=(Parameter("limit", "25 if absent", {"type": "integer", "minimum": 1, "maximum": 100}),),
        problems=(*_QUERY, *_STORE),
        description=_FOR,
    ),
    ("GET", "user/{who}"): Operation(
        "getPerson",
        "Who is logged in",
        shapes.LegacyPerson,
        parameters=(_WHO,),
        problems=("not_found", *_QUERY),
        description=_FOR,
    ),
    ("PATCH", "user/{who}"): Operation(
        "changeOwnPassword",
        "Set one's own password",
        shapes.Readings,
        body=shapes.LegacyPasswordBody,
        parameters=(_WHO,),
        problems=("not_found", *_BODY, *_STORE),
        description=_FOR,
    ),
    ("GET", "user/all"): Operation(
        "listPeople", "All users", list[shapes.LegacyPerson], problems=(*_QUERY, *_STORE), description=_FOR
    ),
}
"""(method, name) → what the app itself calls, behind `/api/` or `/api`."""

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    **{
        (method, f"/api{slash}{name}"): replace(told, id=told.id + more)
        for slash, more in (("/", ""), ("", "WithoutSlash"))
        for (method, name), told in CALLS.items()
    },
    ("POST", "/api/lademodus/{mode}"): Operation(
        "setChargeMode",
        "Set the charge mode of the whole site",
        shapes.Readings,
        parameters=(Parameter("mode", "0 to 4, or jetzt, minundpv, pvuberschuss, stop, standby", {"type": "string"}),),
        problems=(
            *_QUERY,
            *_STATE,
            "not_found",
            "unknown_charge_point",
            "not_possible",
            "command_failed",
            "too_many_commands",
            "edge_silent",
            "wallbox_silent",
            "acceptance_unknown",
            "idempotency_key_reused",
            "store_unavailable",
        ),
        is_command=True,
        description=_FOR,
    ),
    ("PATCH", "/api/user"): Operation(
        "changePerson",
        "Set a user's password, or make somebody an admin or a driver",
        shapes.Readings,
        body=shapes.LegacyUserBody,
        problems=(*_BODY, "user_unknown", "last_admin", *_STORE),
        description=_FOR,
    ),
    **{
        ("GET", f"/api/{name}"): Operation(
            operation_id, words, shapes.Readings, problems=(*_QUERY, *_STATE), description=_FOR
        )
        for name, operation_id, words in (
            ("globals", "getSite", "What the site does and shows"),
            ("verbrauch", "getConsumption", "Grid, consumers, PV and battery"),
            ("details/globals", "getSiteDetails", "The same as `GET /api/globals`"),
            ("details/ladepunkt", "getChargePoint", "The first charge point"),
            ("details/verbrauch", "getConsumptionDetails", "The same as `GET /api/verbrauch`"),
            ("raw/keys", "getRawTopics", "The raw mirror: topic and payload"),
            ("raw/rest", "getRawTexts", "Texts, by the names of openWB 1.9's own api.php"),
        )
    },
}
