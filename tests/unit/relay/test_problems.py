"""What people and programs are told when the relay cannot answer with the site's own answer."""

import json

import pytest

from common.errors import AppError, FieldError, StoreUnavailable
from common.tunnel.errors import ErrorCode
from relay.door import BadRequest
from relay.problems import StreamFailed, of_error
from relay.sites import SiteOffline, UnknownSite


def body_of(error: AppError) -> tuple[int, dict[str, object]]:
    status, body = of_error(error)
    return status, json.loads(body)


def test_an_offline_site_says_since_when() -> None:
    status, body = body_of(SiteOffline(1_790_000_000.4))
    assert status == 503
    assert body["code"] == "site_offline"
    assert body["since"] == "2026-09-21T14:13:20Z"
    assert body_of(SiteOffline(None))[1]["since"] is None


def test_an_unknown_site_is_not_an_offline_one() -> None:
    status, body = body_of(UnknownSite())
    assert (status, body["code"]) == (404, "unknown_site")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ErrorCode.REFUSED, 503, "tunnel_refused"),
        (ErrorCode.TIMEOUT, 504, "tunnel_timeout"),
        (ErrorCode.TOO_LARGE, 413, "tunnel_too_large"),
        (ErrorCode.UPSTREAM, 502, "tunnel_upstream"),
        (ErrorCode.CALM_DOWN, 429, "tunnel_calm_down"),
    ],
)
def test_a_failed_stream_says_whose_fault_it_was(error: ErrorCode, status: int, code: str) -> None:
    found, body = body_of(StreamFailed(error, "private detail"))
    assert (found, body["code"], body["status"]) == (status, code, status)
    assert "private" not in json.dumps(body)


def test_faulty_fields_are_named() -> None:
    status, body = body_of(FieldError("bad input", {"code": "is missing"}))
    assert (status, body["errors"]) == (400, [{"field": "code", "message": "is missing"}])


def test_an_error_without_a_place_is_internal_and_says_nothing() -> None:
    class Surprise(AppError):
        code = "surprise"

    status, body = body_of(Surprise("secret"))
    assert (status, body["code"]) == (500, "internal")
    assert "secret" not in json.dumps(body)


def test_ordinary_errors_have_their_status() -> None:
    assert of_error(BadRequest("x"))[0] == 400
    assert of_error(StoreUnavailable("x"))[0] == 503
