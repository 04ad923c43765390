"""Bodies, queries and instants: everything wrong is named, nothing else is raised."""

import re
import string
from contextlib import suppress
from typing import Annotated, Any, Literal
from urllib.parse import quote_from_bytes

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import inputs, instants
from api.errors import MalformedBody
from api.operations import OPERATIONS
from api.shapes import ChargePointBody
from api.shapes_people import ConfirmBody, ElevateBody, UserChangeBody
from api.shapes_rfid import ProfileBody
from api.shapes_sessions import SessionBody
from common.errors import FieldError


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    count: int = 0


class First(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="first"):
    pass


class Second(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="second"):
    pass


class Item(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""


class Choices(msgspec.Struct, forbid_unknown_fields=True):
    choice: Literal["a", "b"] = "a"
    wish: First | Second | None = None
    more: list[Item] = []


def faults(raw: bytes) -> dict[str, str]:
    with pytest.raises(FieldError) as caught:
        inputs.body(raw, Shape)
    return caught.value.faults


def test_a_good_body_becomes_its_shape() -> None:
    """With defaults."""
    assert inputs.body(b'{"name":"a"}', Shape) == Shape("a")


def test_all_faults_are_named_at_once() -> None:
    """Unknown, missing, too long, wrong type; strictly, so that "5" is no number."""
    assert faults(b'{"count":"5","bogus":1}') == {
        "bogus": "is not a known field",
        "count": "must be a whole number",
        "name": "is missing",
    }
    assert set(faults(b'{"name":"abcdef","count":1.5}')) == {"name", "count"}


def test_a_fault_never_quotes_the_value() -> None:
    """It may be a password in the wrong field."""
    assert "hunter2" not in str(faults(b'{"name":"hunter2","count":"hunter2"}'))
    with pytest.raises(FieldError) as caught:
        inputs.body(b'{"choice":"hunter2 - at x","wish":{"type":"hunter2"},"more":[{"hunter2":1}]}', Choices)
    assert caught.value.faults == {
        "choice": "must be one of a, b",
        "wish.type": "must be one of first, second",
        "more[0].hunter2": "is not a known field",
    }


def test_a_hostile_field_name_is_cut() -> None:
    """It goes back to the client and into the log."""
    assert all(len(name) <= 64 for name in faults(b'{"name":"a","' + b"x" * 5000 + b'":1}'))
    with pytest.raises(FieldError) as caught:
        inputs.body(b'{"more":[{"' + b"x" * 5000 + b'":1}]}', Choices)
    assert list(caught.value.faults) == ["more[0]." + "x" * 64]


def test_a_field_name_cannot_pass_for_a_place() -> None:
    """msgspec writes both into one text."""
    with pytest.raises(FieldError) as caught:
        inputs.body(b'{"wish":{"type":"first","x` - at `$[0].type`":1}}', Choices)
    assert caught.value.faults == {"wish.x` - at `$[0].type`": "is not a known field"}


BODIES = sorted({operation.body for operation in OPERATIONS.values() if operation.body}, key=lambda body: body.__name__)


@pytest.mark.parametrize("shape", BODIES, ids=lambda shape: shape.__name__)
def test_every_fault_names_its_field_and_what_is_taken(shape: type[msgspec.Struct]) -> None:
    """In plain words: neither a pattern nor a type of Python, and nothing of what came."""
    odd: list[Any] = [5, -7.5, 10**30, "\x00?", "", "x" * 300, True, None, [], [5], ["\x00?"], [[]] * 40, {}]
    odd += [{"type": "\x00?"}, {"type": "soc", "soc_percent": "\x00?"}, {"amount": "\x00?"}, {"\x00?": 1}]
    missing = {(field.encode_name, "is missing") for field in msgspec.structs.fields(shape) if field.required}
    for name in (field.encode_name for field in msgspec.structs.fields(shape)):
        for value in odd:
            try:
                inputs.body(msgspec.json.encode({name: value}), shape)
            except FieldError as exc:
                for path, words in exc.faults.items() - missing:
                    assert path.startswith(name)
                    assert path.removeprefix(name)[:1] in ("", ".", "[")
                    assert re.fullmatch(r"is missing|is not a known field|must be [^^\\\x00]+", words), words


@pytest.mark.parametrize(
    ("shape", "value", "path"),
    [
        (SessionBody, {"reason": "x", "cost": {"amount": "3.27\n"}}, "cost.amount"),
        (ConfirmBody, {"code": "123456\n"}, "code"),
        (ElevateBody, {"code": "123456\n"}, "code"),
        (UserChangeBody, {"charge_points": ["1\n"]}, "charge_points[0]"),
        (ProfileBody, {"name": "x\n"}, "name"),
        (ProfileBody, {"name": "x", "from": "07:30\n", "until": "08:00"}, "from"),
        (ChargePointBody, {"vehicle": "1\n"}, "vehicle"),
    ],
)
def test_a_pattern_takes_no_newline_at_its_end(shape: type[msgspec.Struct], value: Any, path: str) -> None:
    """Python's `$` would."""
    with pytest.raises(FieldError) as caught:
        inputs.body(msgspec.json.encode(value), shape)
    assert list(caught.value.faults) == [path]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_shape_or_one_of_two_errors(raw: bytes) -> None:
    """The parser's contract."""
    with suppress(MalformedBody, FieldError):
        assert isinstance(inputs.body(raw, Shape), Shape)


def test_a_query_is_known_names_each_once() -> None:
    """Percent-encoding and plus are undone."""
    assert inputs.query("from=2026%2B01&to=a+b&x=", {"from", "to", "x"}) == {"from": "2026+01", "to": "a b", "x": ""}


@pytest.mark.parametrize("raw", ["y=1", "x=1&x=2", "x=%ff", "x=1&" * 30, "x=" + "a" * 5000])
def test_any_other_query_is_a_named_fault(raw: str) -> None:
    """Unknown, repeated, no UTF-8, too many, too long."""
    with pytest.raises(FieldError) as caught:
        inputs.query(raw, {"x"})
    assert caught.value.faults


def test_a_parameter_that_is_no_utf_8_is_named() -> None:
    """Like any other that is wrong, and all at once; a name that is none is shown as far as it can be."""
    with pytest.raises(FieldError) as caught:
        inputs.query("x=%ff&%ffz=1&y=1", {"x"})
    assert caught.value.faults == {
        "x": "must be UTF-8",
        "?z": "is not a known parameter",
        "y": "is not a known parameter",
    }
    assert inputs.query("x=%EF%BF%BD", {"x"}) == {"x": "\ufffd"}


@given(st.text(max_size=300) | st.binary(max_size=100).map(lambda raw: "x=" + quote_from_bytes(raw)))
def test_any_query_is_parsed_or_a_fault(raw: str) -> None:
    """And nothing else is raised."""
    with suppress(FieldError):
        assert inputs.query(raw, {"x", "y"}).keys() <= {"x", "y"}


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", "٣", " 1", "10000000000000000000", "11"])
def test_a_whole_number_is_plain_digits_in_range(text: str) -> None:
    """What `int` takes beyond that is refused."""
    with pytest.raises(ValueError, match="whole number"):
        inputs.whole_number(text, lowest=0, highest=10)


def test_an_instant_needs_an_offset() -> None:
    """RFC 3339 with Z or hours; shown again in UTC, whole seconds."""
    assert instants.parse("2026-11-23T11:15:30.9+01:00") == instants.parse("2026-11-23T10:15:30.9Z")
    assert instants.text(instants.parse("2026-11-23T11:15:30.9+01:00")) == "2026-11-23T10:15:30Z"
    for text in ("2026-11-23T10:15:30", "2026-11-23", "1795428930", "now", ""):
        with pytest.raises(ValueError, match="RFC 3339"):
            instants.parse(text)


@given(st.text(alphabet=string.digits + "-:TZ+. ", max_size=40))
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    """And nothing else is raised."""
    with suppress(ValueError):
        assert isinstance(instants.parse(text), float)
