"""The tables of the backend that Wallport replaces, row by row as what Wallport stores. Pure.

Its `lade_log` was read from openWB 1.9's CSV files with their local times taken for those of its container, mostly UTC:
the digits in the table are the local time. Its `graph` has the wallbox's own clock, in true UTC. It read what was
missing as 0, and tags as numbers: leading zeros are lost, tags with letters became nothing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from common.profiles import Outcome
from common.store.rows import ChargePointSampleRow, SampleRow, ScanRow
from edge.charge_log import entries, local_times
from edge.charge_log.entries import BadEntry, BadLine, Entry, Parsed
from edge.charge_log.v1 import MODES

Row = Mapping[str, Any]

DOUBLED = timedelta(minutes=63)  # by so much a clock is set back, and 1.9 notes an end up to two minutes late

HIGHEST_POWER_W = 1_000_000

_ALWAYS = ("evu", "pv", "hausverbrauch")
OPTIONAL = ("ladeleistung_lp1", "ladeleistung_lp2", "speicherleistung", "speicher_soc", "soc_lp1", "soc_lp2")
"""Columns of `graph` that are 0 throughout where the house has no such thing."""

GRAPH_COLUMNS = ("id", "timestamp", *_ALWAYS, *OPTIONAL)
LOG_COLUMNS = ("id", "start", "ende", "kWh", "kW", "ladepunkt", "modus", "tagID")
USER_COLUMNS = ("username", "tagID", "admin")
SCAN_COLUMNS = ("timestamp", "tagID")


@dataclass(frozen=True, slots=True)
class OldUser:
    """`tag` is a number as text, None for none. There is no password: what the old backend kept of it is worthless."""

    name: str
    is_admin: bool
    tag: str | None


def user_of(row: Row) -> OldUser:
    return OldUser(str(row["username"] or ""), bool(row["admin"]), _tag(row["tagID"]))


def owners(users: Iterable[OldUser]) -> dict[str, str]:
    """Whose a tag is; one that several have is nobody's."""
    found: dict[str, list[str]] = {}
    for user in users:
        if user.tag is not None:
            found.setdefault(user.tag, []).append(user.name)
    return {tag: names[0] for tag, names in found.items() if len(names) == 1}


def charges_of(rows: Iterable[Row], zone: tzinfo, owner: Mapping[str, str]) -> Parsed:
    """Entries of `lade_log`, oldest first; bad ones are named by their id. `zone` is that of the digits."""
    found: list[Entry] = []
    bad: list[BadLine] = []
    before: dict[str, Entry] = {}
    last_end: int | None = None
    for row in _in_order(rows):
        try:
            entry = replace(_charge(row, zone, before, last_end), line=_id(row))
        except BadEntry as exc:
            bad.append(BadLine(_id(row), str(exc)))
            continue
        before[entry.charge_point], last_end = entry, entry.ended_at
        found.append(replace(entry, user_name=owner.get(entry.tag)) if entry.tag is not None else entry)
    return Parsed(tuple(found), tuple(bad))


def scans_of(rows: Iterable[Row], first: int) -> tuple[list[ScanRow], list[BadLine]]:
    """Scans of `rfid_log`, which nobody acts upon any more; bad ones are named by their place, the first is `first`."""
    found: list[ScanRow] = []
    bad: list[BadLine] = []
    for number, row in enumerate(rows, first):
        at, tag = row["timestamp"], _tag(row["tagID"])
        if not isinstance(at, datetime):
            bad.append(BadLine(number, "there is no time"))
        elif tag is None:
            bad.append(BadLine(number, "there is no tag"))
        else:
            instant = int(at.replace(tzinfo=UTC).timestamp())
            outcome = Outcome.LATE.value
            found.append(
                ScanRow(key=f"import-{instant}", scanned_at=instant, tag=tag, charge_point=None, outcome=outcome)
            )
    return found, bad


@dataclass(slots=True)
class GraphTicks:
    """Turns rows of `graph` into samples on the grid of whole multiples of `interval_s`.

    A row belongs to the tick that is nearest to it, and of several rows the nearest one counts; its values are never
    spread over ticks that have none. `used` are those of OPTIONAL that ever said anything, `names` what charge points
    are called today.
    """

    interval_s: int
    used: frozenset[str]
    names: Mapping[str, str]
    _pending: tuple[float, SampleRow] | None = None  # distance from its tick, sample

    def feed(self, rows: Iterable[Row]) -> tuple[list[SampleRow], list[BadLine], int]:
        """The ticks that are finished, bad rows by id, and how many rows another one of their tick was preferred to."""
        done: list[SampleRow] = []
        bad: list[BadLine] = []
        surplus = 0
        for row in rows:
            try:
                distance_s, sample = self._sample(row)
            except BadEntry as exc:
                bad.append(BadLine(_id(row), str(exc)))
                continue
            if self._pending is not None and self._pending[1].sampled_at == sample.sampled_at:
                surplus += 1
                if distance_s < self._pending[0]:
                    self._pending = distance_s, sample
                continue
            done += self.flush()
            self._pending = distance_s, sample
        return done, bad, surplus

    def flush(self) -> list[SampleRow]:
        """The last tick."""
        pending, self._pending = self._pending, None
        return [pending[1]] if pending is not None else []

    def _sample(self, row: Row) -> tuple[float, SampleRow]:
        at = row["timestamp"]
        if not isinstance(at, datetime):
            raise BadEntry("there is no time")
        exact = at.replace(tzinfo=UTC).timestamp()
        tick = math.floor(exact / self.interval_s + 0.5) * self.interval_s
        values = {name: _number(row[name]) for name in (*_ALWAYS, *OPTIONAL)}
        if not any(values.values()):
            raise BadEntry("it says nothing: every value is 0")
        known = {name: value for name, value in values.items() if name in _ALWAYS or name in self.used}
        return abs(exact - tick), SampleRow(
            sampled_at=tick,
            grid_power_w=_power(known.get("evu")),
            pv_power_w=_power(known.get("pv")),
            battery_power_w=_power(known.get("speicherleistung")),
            battery_soc_percent=_percent(known.get("speicher_soc")),
            home_power_w=_power(known.get("hausverbrauch")),
            charge_points=self._charge_points(known),
        )

    def _charge_points(self, known: Mapping[str, float | None]) -> tuple[ChargePointSampleRow, ...]:
        found = [
            ChargePointSampleRow(
                charge_point=self.names.get(number, number),
                power_w=_power(known.get(f"ladeleistung_lp{number}")),
                soc_percent=_percent(known.get(f"soc_lp{number}")) or None,  # 0 is its word for unknown
            )
            for number in ("1", "2")
            if f"ladeleistung_lp{number}" in known
        ]
        return tuple(sorted(found, key=lambda part: part.charge_point))


def _charge(row: Row, zone: tzinfo, before: Mapping[str, Entry], last_end: int | None) -> Entry:
    start, end = row["start"], row["ende"]
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        raise BadEntry("there is no time")
    charge_point = entries.charge_point(str(row["ladepunkt"] or ""))
    kwh, kw = _number(row["kWh"]), _number(row["kW"])
    elapsed_s = round(kwh / kw * 3600) if kwh and kw and kw > 0 else None
    last = before.get(charge_point)
    started_at, ended_at = local_times.span(
        start.replace(microsecond=0),
        end.replace(microsecond=0),
        zone,
        elapsed_s=elapsed_s,
        not_before=last.ended_at if last is not None else None,
        ends_after=last_end,
    )
    started_at = local_times.start_after(started_at, last)
    return Entry(
        charge_point=charge_point,
        started_at=started_at,
        ended_at=max(started_at, ended_at),
        energy_wh=entries.energy(None if kwh is None else kwh * 1000),
        charging_s=elapsed_s,
        mode=MODES.get(str(row["modus"])),
        tag=_tag(row["tagID"]),
    )


def _in_order(rows: Iterable[Row]) -> list[Row]:
    """As they were written, which is as charges ended, where their ids tell it; else by the digits of their start.

    In the hour that comes twice only the ids tell which charge was first.
    """
    written = sorted(rows, key=_id)
    ends = [row["ende"] for row in written]
    if all(isinstance(end, datetime) for end in ends):
        for ordered in (written, written[::-1]):
            pairs = pairwise(row["ende"] for row in ordered)
            if all(before - after <= DOUBLED for before, after in pairs):
                return ordered
    return sorted(written, key=lambda row: _sort_key(row["start"]))


def _tag(value: Any) -> str | None:
    return entries.tag(str(value)) if value is not None else None


def _id(row: Row) -> int:
    return int(row["id"])


def _sort_key(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.min  # noqa: DTZ901 -- local digits, as the table has them


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str | bytes | datetime):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _power(value: float | None) -> int | None:
    return None if value is None or abs(value) > HIGHEST_POWER_W else round(value)


def _percent(value: float | None) -> int | None:
    return None if value is None or not 0 <= value <= 100 else round(value)
