"""The JSON of an RFC 9457 problem, one shape for whoever answers: api, relay, and the edge in the api's place.

Pure. Which code has which status stands in each product's `problems.py`; docs/errors.md lists them all.
"""

from collections.abc import Mapping
from typing import Any

MEDIA_TYPE = "application/problem+json"


def problem_body(
    code: str, title: str, status: int, detail: str | None = None, faults: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`faults` maps each faulty field to what is wrong with it; they become `errors`, in the order of their names."""
    body: dict[str, Any] = {"type": f"urn:wallport:problem:{code}", "title": title, "status": status, "code": code}
    if detail is not None:
        body["detail"] = detail
    if faults is not None:
        body["errors"] = [{"field": name, "message": fault} for name, fault in sorted(faults.items())]
    return body
