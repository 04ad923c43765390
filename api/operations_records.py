"""History, statistics, charge sessions and their documents, as the OpenAPI document describes them; see operations.py.

Pure.
"""

from collections.abc import Mapping

from api import charge_sessions, shapes, shapes_sessions, shapes_statistics
from api.downloads import MOST_IN_A_WORKBOOK
from api.exports import pdf
from api.exports.texts import Language
from api.history import MOST_STEPS
from api.operation import BOUNDARY, Operation, Parameter
from api.statistics import MOST_PERIODS
from common.local_time import Unit
from common.store.rows import SessionGroup

_TEXT = {"type": "string"}
_STORE_PROBLEMS = ("invalid_input", "store_unavailable", "overloaded")
_PERIODS = (
    Parameter(
        "by",
        "`day`, `month` (if absent) or `year`, by the site's clock",
        Unit,
    ),
    Parameter(
        "from",
        "an instant in the first period; if absent the month of `to` by days, its year by months, or ten years",
        BOUNDARY,
    ),
    Parameter("to", "the instant before which the last period begins; now if absent", BOUNDARY),
)
_MONTH = {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}
_FILTERS = (
    Parameter("from", "sessions that began then or later; a day begins at the site's midnight", BOUNDARY),
    Parameter("to", "sessions that began before", BOUNDARY),
    Parameter("charge_point", "its id", _TEXT),
    Parameter("user", "the name of who charged; for drivers their own, not for viewers", _TEXT),
    Parameter("tag", "the RFID tag; not for viewers", _TEXT),
    Parameter("vehicle", "its name", _TEXT),
)
_LANGUAGE = Parameter("lang", "else as `Accept-Language` says, else de", Language)
_SESSION_ID = Parameter("id", "as in `GET /api/v1/sessions`", _TEXT)
_SESSION_PROBLEMS = ("invalid_input", "store_unavailable", "overloaded")

_SERIES = (
    Parameter("from", "the first instant; 24 hours before `to` if absent", BOUNDARY),
    Parameter("to", "the instant before which it ends; now if absent", BOUNDARY),
    Parameter("series", "paths or their beginnings, with commas between; all if absent", _TEXT),
    Parameter(
        "resolution",
        "`raw`, the seconds of a step (60, 120, 300, 600, 900, 3600), `day` or `month`; as if absent, `auto`: "
        "the finest that fits",
        {"type": "string", "pattern": "^(auto|raw|day|month|[1-9][0-9]{0,5})$"},
    ),
)
_SEPARATORS = {"type": "string", "enum": ["semicolon", "comma", ";", ","]}
_BOM = Parameter("bom", "1: begin with a byte order mark, for old Excel", {"type": "string", "enum": ["0", "1"]})

RECORDS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/history"): Operation(
        "getHistory",
        "Recorded values, one per step",
        shapes.HistoryAnswer,
        parameters=_SERIES,
        problems=_STORE_PROBLEMS,
        description=(
            f"At most {MOST_STEPS} steps. A step has the mean of a power, the sum of an energy (`…energy_wh`, in steps "
            "of 900 s or more), and of everything else the value at its beginning."
        ),
    ),
    ("GET", "/api/v1/history.csv"): Operation(
        "exportHistoryCsv",
        "The same as CSV: a line for each step, with its instant first",
        str,
        parameters=(
            *_SERIES,
            Parameter("separator", "semicolon with decimal commas, or comma (if absent) with points", _SEPARATORS),
            _BOM,
        ),
        problems=_STORE_PROBLEMS,
        media_type="text/csv",
    ),
    ("GET", "/api/v1/statistics"): Operation(
        "getSiteStatistics",
        "Energies of the site by day, month or year",
        shapes_statistics.SiteStatisticsAnswer,
        parameters=_PERIODS,
        problems=_STORE_PROBLEMS,
        description=f"At most {MOST_PERIODS} periods, all of them whole.",
    ),
    ("GET", "/api/v1/statistics/sessions"): Operation(
        "getSessionStatistics",
        "Sums of charge sessions by day, month or year",
        shapes_statistics.SessionStatisticsAnswer,
        parameters=(
            *_PERIODS,
            Parameter(
                "group",
                "all sessions together if absent",
                SessionGroup,
            ),
        ),
        problems=_STORE_PROBLEMS,
        description="A session belongs to the period in which it began. Drivers are told of their own sessions.",
    ),
    ("GET", "/api/v1/statistics/reconciliation"): Operation(
        "getReconciliation",
        "A month's charge sessions against the charge points' meters",
        shapes_statistics.ReconciliationAnswer,
        parameters=(Parameter("month", "like 2026-11; the present one if absent", _MONTH),),
        problems=_STORE_PROBLEMS,
    ),
    ("GET", "/api/v1/sessions"): Operation(
        "listSessions",
        "Charge sessions, newest first",
        shapes_sessions.SessionsAnswer,
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
            "day and month in which it began by the site's clock (`WALLPORT_TIME_ZONE`), here and in the documents. "
            "A name that no session has finds none."
        ),
    ),
    ("GET", "/api/v1/sessions/{id}"): Operation(
        "getSession",
        "One charge session with its segments and corrections",
        shapes_sessions.SessionAnswer,
        parameters=(_SESSION_ID,),
        problems=("not_found", *_SESSION_PROBLEMS),
        has_etag=True,
    ),
    ("PATCH", "/api/v1/sessions/{id}"): Operation(
        "correctSession",
        "Correct a charge session; what stood there is kept",
        shapes_sessions.SessionAnswer,
        body=shapes_sessions.SessionBody,
        parameters=(_SESSION_ID,),
        problems=("malformed_body", "not_found", *_SESSION_PROBLEMS),
    ),
    ("GET", "/api/v1/sessions.csv"): Operation(
        "exportSessionsCsv",
        "Charge sessions as CSV",
        str,
        parameters=(
            *_FILTERS,
            _LANGUAGE,
            Parameter(
                "separator",
                "semicolon with decimal commas, or comma with points; by the language if absent",
                _SEPARATORS,
            ),
            _BOM,
        ),
        problems=_SESSION_PROBLEMS,
        media_type="text/csv",
    ),
    ("GET", "/api/v1/sessions.xlsx"): Operation(
        "exportSessionsXlsx",
        "Charge sessions as a workbook",
        bytes,
        parameters=(*_FILTERS, _LANGUAGE),
        problems=("document_failed", *_SESSION_PROBLEMS),
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        description=f"At most {MOST_IN_A_WORKBOOK} sessions.",
    ),
    ("GET", "/api/v1/sessions.pdf"): Operation(
        "exportSessionsPdf",
        "Charge sessions as a printed record",
        bytes,
        parameters=(*_FILTERS, _LANGUAGE),
        problems=_SESSION_PROBLEMS,
        media_type="application/pdf",
        description=f"At most {pdf.MOST_SESSIONS} sessions.",
    ),
}
