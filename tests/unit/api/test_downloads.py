"""What a download is called, and in which style it comes."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import downloads
from api.exports.lines import Heading
from api.exports.texts import Language
from common.errors import FieldError
from tests.kit.session_rows import BERLIN, local_s

HEADING = Heading(
    site_name="Haus am See",
    language=Language.DE,
    zone=BERLIN,
    made_at=0,
    made_by="admin",
    from_s=local_s(2026, 11, 1),
    to_s=local_s(2026, 12, 1),
)


def test_the_name_says_what_is_inside() -> None:
    """In plain letters, with the last day that is in it."""
    found = downloads.headers(replace(HEADING, user="Jürgen Groß"), "pdf")["content-disposition"]
    name = "ladevorgaenge_Haus-am-See_Juergen-Gross_2026-11-01_2026-11-30.pdf"
    assert found == f'attachment; filename="{name}"'


@given(st.text(), st.text())
def test_no_name_breaks_the_header(site: str, user: str) -> None:
    """Nor leads into another folder."""
    found = downloads.headers(replace(HEADING, site_name=site, user=user, language=Language.EN), "csv")
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9_-]+\.csv"', found["content-disposition"])
    assert found["cache-control"].startswith("private")


def test_the_language_chooses_the_separator() -> None:
    """And a wish overrides it."""
    assert downloads.csv_style({}, HEADING).separator == ";"
    assert downloads.csv_style({}, replace(HEADING, language=Language.EN)).separator == ","
    assert downloads.csv_style({"separator": "comma", "bom": "1"}, HEADING).separator == ","


@pytest.mark.parametrize(("name", "value"), [("separator", "tab"), ("separator", ""), ("bom", "true"), ("bom", "")])
def test_a_wrong_wish_is_named(name: str, value: str) -> None:
    with pytest.raises(FieldError) as caught:
        downloads.csv_style({name: value}, HEADING)
    assert set(caught.value.faults) == {name}
    with pytest.raises(FieldError):
        downloads.language({"lang": "fr"}, "en")
    with pytest.raises(FieldError):
        downloads.check_length(11, 10)
