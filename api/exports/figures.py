"""Numbers and instants as people write them, exactly: whole units in, decimal text out, no float between. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from api.exports.texts import Language

WH_PLACES = 3
"""Watt-hours as kWh."""

MILLICENT_PLACES = 5
"""Thousandths of a cent as EUR."""

PRICE_PLACES = 4
"""Ten-thousandths of a € for each kWh, as tariffs are named."""

CURRENCY = "EUR"


def decimal(value: int, places: int, *, comma: str = ".", group: str = "") -> str:
    """`value` × 10^-places, with all its places: 1234567 with 3 is 1234.567; `group` stands between thousands."""
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(places + 1, "0")
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :]
    if group:
        whole = f"{int(whole):,}".replace(",", group)
    return f"{sign}{whole}{comma}{fraction}" if places else f"{sign}{whole}"


def kwh(value_wh: int, language: Language) -> str:
    """1234567 → 1.234,567 or 1,234.567."""
    return _grouped(value_wh, WH_PLACES, language)


def amount(millicents: int, language: Language) -> str:
    """32745000 → 327,45000, exact."""
    return _grouped(millicents, MILLICENT_PLACES, language)


def euros(millicents: int, language: Language) -> str:
    """32745000 → 327,45000 €, exact."""
    return f"{amount(millicents, language)} €"


def euros_rounded(millicents: int, language: Language) -> str:
    """In whole cents, halves away from zero as merchants do."""
    cents = (abs(millicents) + 500) // 1000
    return f"{_grouped(-cents if millicents < 0 else cents, 2, language)} €"


def price_of(millicents: int, energy_wh: int) -> int:
    """Ten-thousandths of a € for each kWh, halves away from zero; `energy_wh` is above 0."""
    found = (abs(millicents) * 200 + energy_wh) // (2 * energy_wh)
    return -found if millicents < 0 else found


def price(value: int, language: Language) -> str:
    """3012 → 0,3012 €/kWh."""
    return f"{_grouped(value, PRICE_PLACES, language)} €/kWh"


def percent(part: int, whole: int) -> str:
    """Whole percent, halves up; `whole` is above 0."""
    return f"{(200 * part + whole) // (2 * whole)} %"


def hours(duration_s: int) -> str:
    """45296 → 12:34 h, seconds cut."""
    return f"{duration_s // 3600}:{duration_s % 3600 // 60:02d} h"


def local(instant_s: int, zone: ZoneInfo) -> datetime:
    """The wall clock of the site."""
    return datetime.fromtimestamp(instant_s, zone)


def day(instant_s: int, zone: ZoneInfo, language: Language) -> str:
    return local(instant_s, zone).strftime("%d.%m.%Y" if language is Language.DE else "%Y-%m-%d")


def minute(instant_s: int, zone: ZoneInfo, language: Language) -> str:
    return local(instant_s, zone).strftime("%d.%m.%Y %H:%M" if language is Language.DE else "%Y-%m-%d %H:%M")


def _grouped(value: int, places: int, language: Language) -> str:
    comma, group = (",", ".") if language is Language.DE else (".", ",")
    return decimal(value, places, comma=comma, group=group)
