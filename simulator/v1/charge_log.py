"""The charge log that openWB 1.9 writes (`ladelog.sh`): a CSV file a month, the newest row first, local times.

Pure, but `file` may be called from another thread: what it looks at is replaced, never changed. A charge begins with
the first loop above 100 W and ends after six loops below, so clouds split a time plugged in into several rows.
"""

from simulator.local_time import local_time
from simulator.v1.counters import Counters
from simulator.v1.topics import CONSUMPTION_KWH_PER_100KM, PRICE_EUR_PER_KWH, bc

FOLDER = "/openWB/web/logging/data/ladelog/"
MOST_MONTHS = 120  # the oldest go first


class ChargeLog:
    """The files, and the charges that run."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, ...]] = {}
        self._starts: dict[int, float] = {}
        self._mode = ""

    def follow(self, number: int, counters: Counters, at: float, mode: str, tag: str) -> None:
        """Take in what the counters of one charge point say in this loop; `tag` is 0 where there is none."""
        start = self._starts.get(number)
        if counters.is_charge_active and start is None:
            self._starts[number] = at
            self._mode = mode  # one note for all charge points
        elif not counters.is_charge_active and start is not None:
            del self._starts[number]
            self._write(number, start, at, counters.charged_wh, tag)

    def forget_running(self) -> None:
        """A reboot: charges that run are never written down."""
        self._starts.clear()

    def file(self, path: str) -> bytes | None:
        """What the web server has at a path."""
        rows = self._rows.get(path.removeprefix(FOLDER).removesuffix(".csv"))
        if rows is None or not (path.startswith(FOLDER) and path.endswith(".csv")):
            return None
        return "".join(f"{row}\n" for row in (*rows, "")).encode()

    def _write(self, number: int, start: float, end: float, energy_wh: float, tag: str) -> None:
        kwh = energy_wh / 1000
        minutes = int((end - start) // 60)
        duration = f"{minutes // 60} H {minutes % 60} Min" if minutes >= 60 else f"{minutes} Min"
        row = [
            f"{local_time(start):%d.%m.%y-%H:%M}",
            f"{local_time(end):%d.%m.%y-%H:%M}",
            str(int(kwh * 100 / CONSUMPTION_KWH_PER_100KM)),
            bc(kwh),
            bc(kwh * 3600 / (end - start)),
            duration,
            str(number),
            self._mode,
            tag,
            bc(kwh * PRICE_EUR_PER_KWH),
        ]
        month = f"{local_time(end):%Y%m}"
        rows = self._rows | {month: (",".join(row), *self._rows.get(month, ()))}
        self._rows = dict(sorted(rows.items())[-MOST_MONTHS:])
