"""The simulated openWB 1.9's charge log: what `ladelog.sh` writes, as the edge reads it."""

from zoneinfo import ZoneInfo

from edge.charge_log import v1
from edge.charge_log.entries import Entry
from simulator.physics import Site
from simulator.v1.wallbox import Wallbox

AT = 1_795_420_800.0  # Mon Nov 23 09:00:00 CET 2026
FILE = "/openWB/web/logging/data/ladelog/202611.csv"


def entries(wallbox: Wallbox) -> list[Entry]:
    content = wallbox.file(FILE)
    assert content is not None
    found = v1.parse(content, ZoneInfo("Europe/Berlin"))
    assert found.bad == ()
    return list(found.entries)


def settle(wallbox: Wallbox) -> None:
    """Let time pass until no charge has run for two minutes."""
    end, idle = wallbox.at + 2 * 86_400, 0
    while idle < 12:
        assert wallbox.at < end, "it charges for ever"
        wallbox.run_until(wallbox.next_due_at())
        idle = idle + 1 if all(point.power_w <= 100 for point in wallbox.state.charge_points) else 0


def test_charges_are_in_the_month_s_file() -> None:
    """All energy that the meters counted is in the rows, but for what is cut off and what flows below 100 W."""
    wallbox = Wallbox(Site(), 4, AT)
    wallbox.receive("openWB/set/ChargeMode", b"0")
    settle(wallbox)
    before = [point.meter_wh for point in wallbox.state.charge_points]
    seen = len(entries(wallbox))
    wallbox.run_until(wallbox.at + 86_400)
    settle(wallbox)
    new = entries(wallbox)[seen:]
    assert len({entry.charge_point for entry in new}) == 2
    for n, point in enumerate(wallbox.state.charge_points):
        rows = [entry for entry in new if entry.charge_point == str(n + 1)]
        assert abs(sum(entry.energy_wh for entry in rows) - (point.meter_wh - before[n])) < 200 * len(rows)
        assert all(entry.cost_millicents and entry.charging_s for entry in rows if entry.energy_wh > 1000)


def test_a_scanned_tag_is_in_the_row() -> None:
    """As it was scanned, with its leading zeros."""
    wallbox = Wallbox(Site(), 4, AT)
    wallbox.receive("openWB/set/system/SimulateRFID", b"0004A376A2")
    wallbox.receive("openWB/set/ChargeMode", b"0")
    wallbox.run_until(AT + 86_400)
    assert "0004A376A2" in {entry.tag for entry in entries(wallbox) if entry.charge_point == "1"}


def test_there_is_nothing_else_on_its_web_server() -> None:
    """Neither other months nor other files."""
    wallbox = Wallbox(Site(), 4, AT)
    for path in ("/", "202611", FILE + "/", "/openWB/web/logging/data/ladelog/209901.csv", "/openWB/openwb.conf"):
        assert wallbox.file(path) is None
