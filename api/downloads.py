"""What a download is called and how it is written: language, style, header fields, and how long it may be. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from api.exports import figures
from api.exports.csv import SEPARATORS, Style
from api.exports.lines import Heading
from api.exports.texts import Language, accepted_language, words
from common.errors import FieldError

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
MOST_IN_A_WORKBOOK = 10_000
"""Sessions: some seconds of a PC's time and far more of a small board's, before the first byte can be sent; a relay
waits 60 s for it, the api's own bound is 30 s."""

LONGEST_PART = 40  # characters of a file's name


def language(parameters: Mapping[str, str], accept_language: str) -> Language:
    """`?lang=`, else what the client's `Accept-Language` says, else German; raises FieldError."""
    if "lang" not in parameters:
        return accepted_language(accept_language)
    try:
        return Language(parameters["lang"])
    except ValueError:
        raise FieldError("some parameters are wrong", {"lang": "must be de or en"}) from None


def csv_style(parameters: Mapping[str, str], heading: Heading) -> Style:
    """`?separator=` and `?bom=`; raises FieldError. Without them: the language's separator, no mark."""
    faults: dict[str, str] = {}
    usual = ";" if heading.language is Language.DE else ","
    separator = SEPARATORS.get(parameters.get("separator", usual))
    if separator is None:
        faults["separator"] = "must be semicolon or comma"
    if parameters.get("bom", "0") not in ("0", "1"):
        faults["bom"] = "must be 0 or 1"
    if faults or separator is None:
        raise FieldError("some parameters are wrong", faults)
    return Style(heading.language, heading.zone, separator, has_bom=parameters.get("bom") == "1")


def headers(heading: Heading, ending: str) -> dict[str, str]:
    """Of every download. The names in it are of the plainest letters: nothing that a header or a disk may misread."""
    parts = [words("file", heading.language), heading.site_name]
    parts += [part for part in (heading.user, heading.vehicle, heading.tag, heading.charge_point) if part is not None]
    if heading.from_s is not None:
        parts.append(figures.local(heading.from_s, heading.zone).strftime("%Y-%m-%d"))
    if heading.to_s is not None:
        parts.append(figures.local(max(0, heading.to_s - 1), heading.zone).strftime("%Y-%m-%d"))
    name = "_".join(plain for plain in map(_plain, parts) if plain)
    return {
        "content-disposition": f'attachment; filename="{name}.{ending}"',
        "content-language": heading.language.value,
        "cache-control": "private, no-store",
        "vary": "authorization, accept-language",
    }


def history_headers(site_name: str, from_s: int, to_s: int, zone: ZoneInfo) -> dict[str, str]:
    """Of the series' file; a day is one in the site's time zone."""
    days = [figures.local(instant, zone).strftime("%Y-%m-%d") for instant in (from_s, max(from_s, to_s - 1))]
    name = "_".join(["history", _plain(site_name), *dict.fromkeys(days)])
    return {
        "content-disposition": f'attachment; filename="{name}.csv"',
        "cache-control": "private, no-store",
        "vary": "authorization",
    }


def check_length(sessions: int, most: int) -> None:
    """Raises FieldError when there are too many for one file that is made before it is sent."""
    if sessions > most:
        raise FieldError(
            "there are too many charge sessions for one file of this kind",
            {"from": f"choose a shorter period with at most {most} sessions, or sessions.csv, which takes all"},
        )


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.translate(_SPELT_OUT)).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", letters).strip("-")[:LONGEST_PART]
