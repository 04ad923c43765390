"""Charge sessions in numbers, as a site with two charge points and two drivers has them: always the same ones."""

import random
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from common.store import sessions
from common.store.bind import Store
from common.store.rows import SessionRecord, SessionRow

BERLIN = ZoneInfo("Europe/Berlin")
DAY_S = 86_400


def local_s(*clock: int) -> int:
    """Unix seconds of a wall clock in Berlin: year, month, day, hour, …"""
    return int(datetime(*clock, tzinfo=BERLIN).timestamp())  # type: ignore[misc,arg-type]


def charged(count: int, first_s: int = local_s(2026, 11, 1, 7), *, apart_s: int = DAY_S) -> Iterator[SessionRow]:
    """`count` sessions in order of time. The meters run on, now and then a little between two sessions."""
    numbers = random.Random(7)
    meters = {"1": 8_123_456, "2": 412_000}
    for number in range(count):
        charge_point = numbers.choice(("1", "1", "2"))
        energy_wh = numbers.randrange(900, 42_000)
        pv_wh = energy_wh * numbers.randrange(0, 90) // 100
        battery_wh = (energy_wh - pv_wh) // 7
        grid_wh = energy_wh - pv_wh - battery_wh
        started_at = first_s + number * apart_s + numbers.randrange(apart_s // 4)
        meter_start_wh = meters[charge_point] + numbers.choice((0, 0, 0, 7, 2_400))
        meters[charge_point] = meter_start_wh + energy_wh
        is_anna = numbers.random() < 0.4
        yield SessionRow(
            charge_point=charge_point,
            started_at=started_at,
            ended_at=started_at + numbers.randrange(apart_s // 4, apart_s // 2),
            charging_s=numbers.randrange(600, 20_000),
            meter_start_wh=meter_start_wh,
            meter_end_wh=meters[charge_point],
            energy_wh=energy_wh,
            grid_wh=grid_wh,
            pv_wh=pv_wh,
            battery_wh=battery_wh,
            sources_method="shares",
            cost_millicents=grid_wh * 32 + pv_wh * 8 + 1,
            cost_method="tariff",
            soc_start_percent=numbers.choice((None, 20, 45)),
            soc_end_percent=numbers.choice((None, 80, 100)),
            mode=numbers.choice(("pv", "instant", "min_pv")),
            vehicle="Škoda Enyaq" if is_anna else "Käfer",
            tag="0004A376A2" if is_anna else None,
            user_name="anna" if is_anna else "driver",
        )


def stored(store: Store, rows: Iterator[SessionRow] | list[SessionRow]) -> list[int]:
    """Put them into the store; their ids."""
    return sessions.upsert(store, [SessionRecord(session=row) for row in rows])
