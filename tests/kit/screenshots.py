"""Makes the pictures of README and docs: `python -m tests.kit.screenshots FOLDER`, once `make web` built the app."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from common.model import Capabilities, LimitType, Mode, Vehicle
from tests.kit.api_client import PASSWORD, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.playwright_browser import chromium
from tests.kit.servers import redis_server
from tests.kit.states import SITE

MODES = (Mode.INSTANT, Mode.MIN_PV, Mode.PV, Mode.STOP)
CAN = Capabilities(
    modes=MODES, limit_types=(LimitType.NONE, LimitType.ENERGY, LimitType.SOC), highest_current_a=16, can_enable=True
)
POINT = replace(
    SITE.charge_points["1"], capabilities=CAN, vehicle="Ioniq", soc_percent=57, power_w=7_210, mode=Mode.PV, limit=None
)
EMPTY = replace(POINT, name="Garage", vehicle=None, soc_percent=None, is_plugged=False, is_charging=False, power_w=0)
HOME = replace(
    SITE,
    charge_points={"1": POINT, "2": EMPTY},
    vehicles={"2": Vehicle(name="Ioniq")},
    grid=replace(SITE.grid, power_w=-180) if SITE.grid else None,
    pv=replace(SITE.pv, power_w=8_640) if SITE.pv else None,
    battery=replace(SITE.battery, power_w=560) if SITE.battery else None,
    home=replace(SITE.home, power_w=690) if SITE.home else None,
)

SHOTS = (("now", "light", "en-GB", "now"), ("charge-point", "dark", "de-DE", "charging/1"))


def take(folder: Path) -> None:
    """One picture a page, as a phone shows it."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        chromium() as browser,
        redis_server(Path(scratch) / "redis") as redis,
    ):
        edge = EdgeDouble(redis.url)
        edge.tell(HOME)
        edge.beat()
        with running_api(Path(scratch) / "api", redis.url, f"sqlite://{scratch}/store.sqlite") as api:
            for name, scheme, locale, place in SHOTS:
                context = browser.new_context(
                    viewport={"width": 390, "height": 760},
                    device_scale_factor=1.5,
                    locale=locale,
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                page = context.new_page()
                page.goto(f"http://127.0.0.1:{api.port}/")
                page.locator("input[name=name]").fill("driver")
                page.locator("input[name=password]").fill(PASSWORD)
                page.locator("button.main-button").click()
                page.locator('.fresh[data-is="fresh"]').wait_for()
                page.goto(f"http://127.0.0.1:{api.port}/#/{place}")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=folder / f"{name}.png")
                context.close()
        edge.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
