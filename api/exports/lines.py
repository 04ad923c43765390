"""What every export is made of: sessions with their corrections, and the columns of a table of them. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from zoneinfo import ZoneInfo

from api import instants
from api.exports.figures import CURRENCY, price_of
from api.exports.texts import Language, value_words, words
from common.store.rows import CorrectionRow, SessionRow

Value = str | int | None


@dataclass(frozen=True, slots=True)
class Line:
    """One session as lists and documents show it. It may be corrected in ways that the reader is not told."""

    session: SessionRow
    corrections: tuple[CorrectionRow, ...] = ()
    is_corrected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a document says of itself. The period is from_s ≤ start < to_s; None: open, or whatever it is."""

    site_name: str
    language: Language
    zone: ZoneInfo
    made_at: int
    made_by: str
    from_s: int | None = None
    to_s: int | None = None
    charge_point: str | None = None
    user: str | None = None
    tag: str | None = None
    vehicle: str | None = None
    charge_point_names: Mapping[str, str] = field(default_factory=dict)
    """As the wallbox calls them, as far as it is known."""

    def place(self, charge_point: str) -> str:
        """A charge point by id and name, of which a narrow column may cut the end."""
        name = self.charge_point_names.get(charge_point)
        return f"{charge_point} · {name}" if name else charge_point


class Kind(Enum):
    TEXT = auto()
    WHOLE = auto()
    KWH = auto()  # whole Wh
    MONEY = auto()  # whole thousandths of a cent
    PRICE = auto()  # ten-thousandths of a € for each kWh
    LOCAL = auto()  # Unix seconds, shown by the site's clock
    DURATION = auto()  # seconds


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is a key of the texts."""

    name: str
    kind: Kind
    of: Callable[[Line, Language], Value]


def plugged_s(session: SessionRow) -> int | None:
    """From plug to unplug; None while it runs."""
    return None if session.ended_at is None else session.ended_at - session.started_at


def unknown_source_wh(session: SessionRow) -> int | None:
    """The energy of which nobody knows where it came from, beside sources that are known; None without any."""
    if session.energy_wh is None or (session.grid_wh, session.pv_wh, session.battery_wh) == (None, None, None):
        return None
    return session.energy_wh - (session.grid_wh or 0) - (session.pv_wh or 0) - (session.battery_wh or 0)


def price(session: SessionRow) -> int | None:
    """What a kWh of it cost, in ten-thousandths of a €; None where cost or energy is unknown, or no energy came."""
    if session.cost_millicents is None or not session.energy_wh or session.energy_wh < 0:
        return None
    return price_of(session.cost_millicents, session.energy_wh)


COLUMNS: tuple[Column, ...] = (
    Column("id", Kind.WHOLE, lambda line, _: line.session.id),
    Column("charge_point", Kind.TEXT, lambda line, _: line.session.charge_point),
    Column("started", Kind.LOCAL, lambda line, _: line.session.started_at),
    Column("ended", Kind.LOCAL, lambda line, _: line.session.ended_at),
    Column("plugged", Kind.DURATION, lambda line, _: plugged_s(line.session)),
    Column("charging", Kind.DURATION, lambda line, _: line.session.charging_s),
    Column("meter_start", Kind.KWH, lambda line, _: line.session.meter_start_wh),
    Column("meter_end", Kind.KWH, lambda line, _: line.session.meter_end_wh),
    Column("energy", Kind.KWH, lambda line, _: line.session.energy_wh),
    Column("grid", Kind.KWH, lambda line, _: line.session.grid_wh),
    Column("pv", Kind.KWH, lambda line, _: line.session.pv_wh),
    Column("battery", Kind.KWH, lambda line, _: line.session.battery_wh),
    Column("source_unknown_kwh", Kind.KWH, lambda line, _: unknown_source_wh(line.session)),
    Column("sources_method", Kind.TEXT, lambda line, _: line.session.sources_method),
    Column("cost", Kind.MONEY, lambda line, _: line.session.cost_millicents),
    Column("currency", Kind.TEXT, lambda line, _: None if line.session.cost_millicents is None else CURRENCY),
    Column("price", Kind.PRICE, lambda line, _: price(line.session)),
    Column("cost_method", Kind.TEXT, lambda line, _: line.session.cost_method),
    Column("soc_start", Kind.WHOLE, lambda line, _: line.session.soc_start_percent),
    Column("soc_end", Kind.WHOLE, lambda line, _: line.session.soc_end_percent),
    Column("mode", Kind.TEXT, lambda line, lang: value_words("mode", line.session.mode, lang)),
    Column("vehicle", Kind.TEXT, lambda line, _: line.session.vehicle),
    Column("tag", Kind.TEXT, lambda line, _: line.session.tag),
    Column("user", Kind.TEXT, lambda line, _: line.session.user_name),
    Column("discharged", Kind.KWH, lambda line, _: line.session.discharged_wh),
    Column("origin", Kind.TEXT, lambda line, lang: value_words("origin", line.session.origin, lang)),
    Column("doubt", Kind.TEXT, lambda line, lang: value_words("doubt", line.session.doubt, lang)),
    Column("is_corrected", Kind.TEXT, lambda line, lang: words("yes" if line.is_corrected else "no", lang)),
    Column("started_utc", Kind.TEXT, lambda line, _: instants.text(line.session.started_at)),
    Column("ended_utc", Kind.TEXT, lambda line, _: _instant(line.session.ended_at)),
)
"""Of the tables. The UTC columns tell apart the two hours of the night in which summer time ends."""


def printable(text: str) -> str:
    """Without what moves a cursor or hides: names come from wallboxes and people."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _instant(instant_s: int | None) -> str | None:
    return None if instant_s is None else instants.text(instant_s)
