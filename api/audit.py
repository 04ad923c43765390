"""What the audit keeps of a request, and how it is asked for and written as CSV. Pure.

Handlers call `api.handlers.audit.audit`; this makes the row. Nothing secret may be among `old` and `new`: what somebody
is called, may do and wishes, never a password, code, hash or token.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from api import instants
from api.exports.csv import harmless
from api.inputs import whole_number
from api.periods import boundary
from common.errors import FieldError
from common.store.rows_people import AuditFilter, AuditRow

MOST_ITEMS = 500  # of a page, about 200 kB
DEFAULT_ITEMS = 100
LONGEST_VALUE = 1000  # characters of the JSON of `old` and `new`, as the table has it
LONGEST_SUBJECT = 128
HIGHEST_ID = 2**63 - 1

FILTERS = frozenset({"from", "to", "user", "action", "result"})
COLUMNS = (
    "happened_at",
    "user_name",
    "device_name",
    "device_id",
    "origin",
    "address",
    "action",
    "subject",
    "old_value",
    "new_value",
    "result",
)


def row(
    *,
    happened_at: float,
    user_name: str | None,
    device: tuple[str, str] | None,
    origin: str,
    address: str,
    action: str,
    subject: str | None,
    old: Any,
    new: Any,
    result: str,
) -> AuditRow:
    """The row to store. `device` is (id, name); `old` and `new` are anything that JSON can say, None for nothing."""
    return AuditRow(
        happened_at=int(happened_at),
        user_name=user_name,
        device_id=device[0] if device else None,
        device_name=device[1] if device else None,
        origin=origin,
        address=address[:64],
        action=action,
        subject=None if subject is None else subject[:LONGEST_SUBJECT],
        old_value=_json(old),
        new_value=_json(new),
        result=result,
    )


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`old` and `new` of an entry: only what differs."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


def wanted(parameters: Mapping[str, str], zone: ZoneInfo) -> AuditFilter:
    """What `?from&to&user&action&result` ask for; raises FieldError."""
    faults: dict[str, str] = {}
    read: dict[str, int] = {}
    for name in ("from", "to"):
        if name in parameters:
            try:
                read[name] = int(boundary(parameters[name], zone))
            except ValueError as exc:
                faults[name] = str(exc)
    try:
        before_id = whole_number(parameters["cursor"], lowest=1, highest=HIGHEST_ID) if "cursor" in parameters else None
    except ValueError:
        before_id, faults["cursor"] = None, "must be a next_cursor"
    if faults:
        raise FieldError("some parameters are wrong", faults)
    return AuditFilter(
        from_s=read.get("from"),
        to_s=read.get("to"),
        user_name=parameters.get("user"),
        action=parameters.get("action"),
        result=parameters.get("result"),
        before_id=before_id,
    )


def page_size(parameters: Mapping[str, str]) -> int:
    """`?limit=`; raises FieldError."""
    try:
        return whole_number(parameters.get("limit", str(DEFAULT_ITEMS)), lowest=1, highest=MOST_ITEMS)
    except ValueError as exc:
        raise FieldError("some parameters are wrong", {"limit": str(exc)}) from exc


def csv_lines(rows: Iterable[AuditRow], *, has_head: bool = False) -> str:
    """Rows as CSV (RFC 4180); texts that a spreadsheet would take for a formula begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    if has_head:
        writer.writerow(COLUMNS)
    for item in rows:
        values = [getattr(item, name) for name in COLUMNS]
        values[0] = instants.text(item.happened_at)
        writer.writerow(["" if value is None else harmless(value) for value in values])
    return out.getvalue()


def _json(value: Any) -> str | None:
    if value is None:
        return None
    text = msgspec.json.encode(value).decode()
    if len(text) <= LONGEST_VALUE:
        return text
    # Half of it: its quotes and backslashes are escaped once more.
    return msgspec.json.encode({"cut_off": text[: LONGEST_VALUE // 2 - 20]}).decode()[:LONGEST_VALUE]
