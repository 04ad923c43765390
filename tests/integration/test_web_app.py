"""The web app in a real browser on a real api: what a person sees, taps and is told."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from api.adapters import web_files
from common.commands import Status, accepted
from common.model import Capabilities, Fault, FaultLevel, LimitType, Mode, SiteState, Vehicle
from tests.kit.api_client import PASSWORD, RunningApi, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.playwright_browser import Complaints, axe_violations, chromium
from tests.kit.states import SITE
from tests.kit.waiting import eventually

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not (web_files.FOLDER / "index.html").exists(), reason="`make web` has not built the app"),
]

OFFERED = Capabilities(
    modes=(Mode.INSTANT, Mode.PV, Mode.STOP),
    limit_types=(LimitType.NONE, LimitType.ENERGY),
    highest_current_a=16,
    can_enable=True,
    can_assign_vehicle=True,
)
POINT = replace(SITE.charge_points["1"], capabilities=OFFERED, vehicle="Ioniq", vehicle_id="2", soc_percent=57)
HOME = replace(SITE, charge_points={"1": POINT}, vehicles={"2": Vehicle(name="Ioniq")})
PHONE = {"width": 360, "height": 740}
PAGES = ("now", "charging/1", "history", "log", "more", "me")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def edge(redis_url: str) -> Iterator[EdgeDouble]:
    edge = EdgeDouble(redis_url)
    edge.tell(HOME)
    edge.beat()
    yield edge
    edge.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, edge: EdgeDouble) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


@dataclass
class Visit:
    """A browser that looks at the site; nothing else of it is open."""

    context: BrowserContext
    page: Page
    url: str
    complaints: Complaints

    def log_in(self, name: str = "driver") -> None:
        self.page.goto(self.url)
        self.page.locator("input[name=name]").fill(name)
        self.page.locator("input[name=password]").fill(PASSWORD)
        self.page.locator("button.main-button").click()
        expect(self.page.locator('.fresh[data-is="fresh"]')).to_be_visible(timeout=20_000)


@pytest.fixture
def visit(browser: Browser, api: RunningApi) -> Iterator[Visit]:
    with _visit(browser, api) as visit:
        yield visit


class _visit:  # noqa: N801 -- used as a function
    def __init__(self, browser: Browser, api: RunningApi, *, locale: str = "en-GB", scheme: str = "light") -> None:
        self._context = browser.new_context(
            viewport={"width": PHONE["width"], "height": PHONE["height"]},
            locale=locale,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self._url = f"http://127.0.0.1:{api.port}/"

    def __enter__(self) -> Visit:
        complaints = Complaints()
        page = self._context.new_page()
        page.set_default_timeout(20_000)
        complaints.listen(page)
        self._visit = Visit(self._context, page, self._url, complaints)
        return self._visit

    def __exit__(self, *_exc: object) -> None:
        self._context.close()


def grid_at(power_w: int) -> SiteState:
    return replace(HOME, grid=replace(HOME.grid, power_w=power_w) if HOME.grid else None)


def test_one_glance_says_what_charges_and_a_change_is_there_at_once(visit: Visit, edge: EdgeDouble) -> None:
    """Without a reload, and the numbers are the site's."""
    visit.log_in()
    page = visit.page
    expect(page.locator("h1")).to_have_text(re.compile("Charges with"))
    expect(page.locator(".point .big")).to_have_text("11.0kW")
    expect(page.locator(".flow")).to_contain_text("5.4 kW")
    edge.tell(replace(HOME, charge_points={"1": replace(POINT, power_w=7_210)}))
    expect(page.locator(".point .big")).to_have_text("7.2kW")
    edge.tell(replace(HOME, charge_points={"1": replace(POINT, is_plugged=False, is_charging=False, power_w=0)}))
    expect(page.locator("h1")).to_have_text("No car is plugged in.")
    assert visit.complaints.heard == []


def test_a_tap_is_pending_until_the_wallbox_confirms_it(visit: Visit, edge: EdgeDouble) -> None:
    """The button is pressed only when the wallbox says so; nothing is sent twice."""
    visit.log_in()
    off = visit.page.get_by_role("button", name="Off")
    off.click()
    expect(off).to_have_attribute("aria-busy", "true")
    expect(off).to_have_attribute("aria-pressed", "false")
    command = eventually(edge.taken, 10)[0]
    assert dict(command.wishes) == {"mode": "stop"}
    edge.report(replace(accepted(command), status=Status.CONFIRMED, published_at=1.0, settled_at=2.0))
    edge.tell(replace(HOME, charge_points={"1": replace(POINT, mode=Mode.STOP)}))
    expect(off).to_have_attribute("aria-pressed", "true")
    expect(visit.page.locator(".told:visible")).to_have_text("Confirmed by the wallbox")
    assert len(edge.taken()) == 1


def test_a_tap_that_the_wallbox_does_not_take_says_why(visit: Visit, edge: EdgeDouble) -> None:
    """It falls back, and not without a word."""
    visit.log_in()
    off = visit.page.get_by_role("button", name="Off")
    off.click()
    command = eventually(edge.taken, 10)[0]
    edge.report(replace(accepted(command), status=Status.TIMED_OUT, published_at=1.0, settled_at=2.0))
    expect(visit.page.locator(".told.is-bad:visible")).to_have_text("The wallbox did not confirm it.")
    expect(off).to_have_attribute("aria-pressed", "false")


def test_a_viewer_changes_nothing(visit: Visit, edge: EdgeDouble) -> None:
    visit.log_in("viewer")
    expect(visit.page.get_by_role("button", name="Off")).to_be_disabled()
    visit.page.goto(f"{visit.url}#/charging/1")
    expect(visit.page.locator("h1")).to_have_text("Carport")
    expect(visit.page.locator(".setting")).to_have_count(0)


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_names_are_text_wherever_they_stand(visit: Visit, edge: EdgeDouble) -> None:
    """Of a charge point, a car, a fault: none of them becomes part of the page."""
    point = replace(POINT, name=HOSTILE, vehicle=HOSTILE, state_text=HOSTILE, fault=Fault(FaultLevel.ERROR, HOSTILE))
    edge.tell(replace(HOME, charge_points={"1": point}, vehicles={"2": Vehicle(name=HOSTILE)}))
    visit.log_in()
    for place in ("now", "charging/1"):
        visit.page.goto(f"{visit.url}#/{place}")
        expect(visit.page.get_by_text("onerror").first).to_be_visible()
    assert visit.page.locator("img[src=x]").count() == 0
    assert visit.complaints.heard == []


def test_no_text_becomes_a_script(visit: Visit) -> None:
    """Trusted Types hold: what an attacker would do first throws."""
    visit.log_in()
    for attack in ("document.body.innerHTML = '<b>x</b>'", "document.createElement('script').src = 'data:,1'"):
        tried = f"(() => {{ try {{ {attack}; return 'done' }} catch (fault) {{ return fault.name }} }})()"
        assert visit.page.evaluate(tried) == "TypeError"


def test_stale_and_offline_are_unmistakable_and_the_last_values_stay(visit: Visit, edge: EdgeDouble) -> None:
    """A reload without any network opens the page with what was known, and says how old it is."""
    visit.log_in()
    page = visit.page
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    page.reload()  # the worker has all files of the page now
    expect(page.locator('.fresh[data-is="fresh"]')).to_be_visible()
    page.wait_for_function("localStorage.getItem('wallport.state') !== null")
    edge.tell(replace(HOME, meta=replace(HOME.meta, is_stale=True)))
    expect(page.locator(".banner")).to_contain_text("silent")
    visit.context.set_offline(True)
    page.reload()
    expect(page.locator(".banner")).to_contain_text("No connection. Values from")
    expect(page.locator(".point .big")).to_have_text("11.0kW")
    visit.context.set_offline(False)
    expect(page.locator(".fresh")).not_to_have_attribute("data-is", "away")


def test_a_login_that_is_ended_elsewhere_ends_here(visit: Visit, api: RunningApi) -> None:
    """The page asks for the password again, and forgets what it showed."""
    visit.log_in()
    headers = api.login("driver")
    for device in api.lan.get("/api/v1/me/devices", headers=headers).json()["items"]:
        if not device["is_current"]:
            assert api.lan.delete(f"/api/v1/me/devices/{device['id']}", headers=headers).status_code == 204
    expect(visit.page.locator("input[name=password]")).to_be_visible(timeout=30_000)  # looked at every 5 s
    assert visit.page.evaluate("localStorage.getItem('wallport.login')") is None
    with visit.page.expect_request("**/auth/login") as asked:  # it says which device it was, and is let in again
        visit.log_in()
    assert asked.value.headers["authorization"].startswith("Bearer ")


def test_two_tabs_share_a_login_and_log_out_together(visit: Visit) -> None:
    """A refresh in one is the other's too; neither logs the other out but by a person's wish."""
    visit.log_in()
    other = visit.context.new_page()
    other.goto(visit.url)
    expect(other.locator('.fresh[data-is="fresh"]')).to_be_visible()
    expired = "const l = JSON.parse(localStorage.getItem('wallport.login')); l.endsAtMs = 0;"
    for page in (visit.page, other):
        page.evaluate(f"(() => {{ {expired} localStorage.setItem('wallport.login', JSON.stringify(l)) }})()")
    visit.page.reload()
    other.reload()
    for page in (visit.page, other):
        expect(page.locator('.fresh[data-is="fresh"]')).to_be_visible()
    visit.page.goto(f"{visit.url}#/more")
    visit.page.get_by_role("button", name="Log out").click()
    expect(other.locator("input[name=password]")).to_be_visible()


def test_a_lost_answer_of_a_refresh_logs_nobody_out(visit: Visit) -> None:
    """The api has given out the next token, and the page never got it: it asks again and gets the same."""
    visit.log_in()
    lost: list[int] = []

    def lose_the_first(route: Route) -> None:
        answer = route.fetch()
        if lost:
            route.fulfill(response=answer)
        else:
            lost.append(answer.status)
            route.abort()

    visit.page.route("**/auth/refresh", lose_the_first)
    expired = "const l = JSON.parse(localStorage.getItem('wallport.login')); l.endsAtMs = 0;"
    visit.page.evaluate(f"(() => {{ {expired} localStorage.setItem('wallport.login', JSON.stringify(l)) }})()")
    visit.page.reload()
    expect(visit.page.locator('.fresh[data-is="fresh"]')).to_be_visible()
    assert lost == [200]


@pytest.mark.parametrize(("locale", "scheme"), [("en-GB", "light"), ("de-DE", "dark")])
def test_every_page_can_be_used_by_everybody(browser: Browser, api: RunningApi, locale: str, scheme: str) -> None:
    """axe finds nothing, and nothing scrolls sideways on the smallest phone."""
    with _visit(browser, api, locale=locale, scheme=scheme) as visit:
        visit.page.goto(visit.url)
        found = {"login": axe_violations(visit.page)}
        visit.log_in()
        for place in PAGES:
            visit.page.goto(f"{visit.url}#/{place}")
            expect(visit.page.locator("main h1").first).to_be_visible()
            visit.page.wait_for_load_state("networkidle")
            found[place] = axe_violations(visit.page)
            width = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], place
    assert {place: faults for place, faults in found.items() if faults} == {}
    assert visit.complaints.heard == []


def test_the_page_speaks_the_language_of_the_device(browser: Browser, api: RunningApi) -> None:
    with _visit(browser, api, locale="de-DE") as visit:
        visit.log_in()
        expect(visit.page.locator("h1")).to_have_text(re.compile("Lädt mit"))
        expect(visit.page.locator(".point .big")).to_have_text("11,0kW")
        assert visit.page.locator("html").get_attribute("lang") == "de"


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_five_modes_can_be_told_apart_on_a_small_phone(
    browser: Browser, api: RunningApi, edge: EdgeDouble, locale: str
) -> None:
    """No word is cut off: "Sonne" and "Sonne+" are two modes."""
    modes = (Mode.INSTANT, Mode.MIN_PV, Mode.PV, Mode.STOP, Mode.STANDBY)
    edge.tell(replace(HOME, charge_points={"1": replace(POINT, capabilities=replace(OFFERED, modes=modes))}))
    with _visit(browser, api, locale=locale) as visit:
        visit.log_in()
        buttons = visit.page.locator(".choice button")
        expect(buttons).to_have_count(5)
        cut = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
        assert buttons.evaluate_all(cut) == []
        width = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]


def test_a_mangled_address_stops_nothing(visit: Visit) -> None:
    visit.log_in()
    visit.page.goto(f"{visit.url}#/charging/%E0%A4%A")
    expect(visit.page.get_by_text("This charge point is not there.")).to_be_visible()
    visit.page.locator("main a.back").click()
    expect(visit.page.locator(".flow")).to_be_visible()
    assert visit.complaints.heard == []


def test_what_is_wrong_is_named_as_what_was_asked_for(visit: Visit) -> None:
    """A pairing code has no name and no password, and a password that is asked for again has no name."""
    page = visit.page
    page.goto(visit.url)
    page.get_by_text("Pair with a code").click()
    page.locator("input[name=code]").fill("wpp_nothing")
    page.locator("button.main-button").click()
    expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
    page.get_by_text("With name and password").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    visit.log_in()
    page.goto(f"{visit.url}#/me")
    page.locator("summary", has_text="Password").click()
    page.locator("input[name=old]").fill("not the password")
    page.locator("input[name=new]").fill("another one, and long")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("The password is wrong.")
