"""Whatever cards and cars do, in whatever order: when all have left, everything is as it was before the first one.

A model of each generation carries out every command at once. openWB 1.9 has one mode for all charge points; 2.x has one
for each, and limits that belong to modes.
"""

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.commands import Status, accepted
from common.model import ChargePoint, Limit, Mode
from common.profiles import Decision, Outcome, Owner, Profile
from edge import profiles
from edge.profiles import Step, Visit
from edge.scans import Scan

OWNER = Owner("anna", "driver", False)
POINTS = ("1", "2")
LIMITS: list[dict[str, Any]] = [
    {"type": "none"},
    {"type": "energy", "energy_wh": 5000},
    {"type": "soc", "soc_percent": 80},
]
DEFAULTS: dict[str, Any] = {"mode": "pv", "current_a": 10, "limit": LIMITS[0]}
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["instant", "pv", "stop"]),
        "current_a": st.sampled_from([6, 10, 16]),
        "limit": st.sampled_from(LIMITS),
    },
).filter(bool)


class Wallbox:
    """What is set: by charge point, or for the site, and by mode where the generation has it so."""

    def __init__(self, *, is_by_mode: bool) -> None:
        self.is_by_mode = is_by_mode
        self.values: dict[tuple[str, ...], Any] = {}
        self.cars = set[str]()

    def read(self, point: str, wish: str) -> Any:
        return self.values.get(self._place(point, wish), DEFAULTS[wish])

    def write(self, point: str, wish: str, value: Any) -> None:
        self.values[self._place(point, wish)] = value

    def shown(self, point: str) -> ChargePoint:
        return ChargePoint(
            is_plugged=point in self.cars,
            mode=Mode(self.read(point, "mode")),
            current_a=self.read(point, "current_a"),
            limit=Limit(**self.read(point, "limit")),
        )

    def everything(self) -> dict[tuple[str, ...], Any]:
        """All that is set otherwise than at the beginning."""
        return {place: value for place, value in self.values.items() if value != DEFAULTS[place[0]]}

    def _place(self, point: str, wish: str) -> tuple[str, ...]:
        """2.x: the current is that of instant charging in all of these modes, and `stop` has instant's limit."""
        if wish == "mode":
            return ("mode", point) if self.is_by_mode else ("mode",)
        has_own = self.is_by_mode and wish == "limit" and self.read(point, "mode") == "pv"
        return (wish, point, "pv") if has_own else (wish, point)


class CardsAndCars(RuleBasedStateMachine):
    """The RFID loop's part is played by `_carry_on`: one card after the other, as there."""

    is_by_mode = False

    def __init__(self) -> None:
        super().__init__()
        self.box = Wallbox(is_by_mode=self.is_by_mode)
        self.visits: list[Visit] = []
        self.now = 1_795_420_810.0

    @rule(point=st.sampled_from(POINTS), wishes=WISHES)
    def scan(self, point: str, wishes: dict[str, Any]) -> None:
        """A card with any profile, whether there is a car or not."""
        begun = profiles.begin(Scan("A1", self.now, point), f"scan{len(self.visits)}", self.now)
        profile = Profile(id=1, name="p", user="anna", wishes=wishes)
        decision = Decision(Outcome.APPLYING, OWNER, profile, point)
        shown = self.box.shown(point)
        self.visits.append(profiles.judged(begun, decision, self.now, shown, is_by_mode=self.is_by_mode))
        self._carry_on()

    @rule(point=st.sampled_from(POINTS))
    def plug(self, point: str) -> None:
        self.box.cars.add(point)
        self._carry_on()

    @rule(point=st.sampled_from(POINTS))
    def leave(self, point: str) -> None:
        self.box.cars.discard(point)
        self._carry_on()

    @rule(seconds=st.sampled_from([1, 4, 30, 400]))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self._carry_on()

    @invariant()
    def one_visit_a_charge_point_puts_back(self) -> None:
        open_at = [visit.charge_point for visit in self.visits if visit.step is Step.APPLIED]
        assert len(open_at) == len(set(open_at))

    def teardown(self) -> None:
        """All leave."""
        self.box.cars.clear()
        for _ in range(6):
            self.now += 400
            self._carry_on()
        assert {visit.step for visit in self.visits} <= {Step.OVER}
        assert self.box.everything() == {}

    def _carry_on(self) -> None:
        """Until nothing more is to be done at this moment."""
        for _ in range(12):
            for key in [visit.key for visit in self.visits]:
                visit = next(one for one in self.visits if one.key == key)
                after = self._step(visit)
                others = [one for one in self.visits if one.key != key]
                if visit.step is Step.APPLYING and after.step is not Step.APPLYING:
                    site_wide = frozenset() if self.is_by_mode else frozenset({"mode"})
                    after, *others = profiles.took_over(after, others, site_wide, self.now)
                known = {one.key: one for one in (after, *others)}
                self.visits = [known[one.key] for one in self.visits]

    def _step(self, visit: Visit) -> Visit:
        point = visit.charge_point or ""
        command = profiles.command(visit, self.now)
        if command is None:
            return profiles.watched(visit, self.box.shown(point), self.now)
        previous = {"mode": self.box.read(point, "mode")}
        if "mode" in command.wishes:  # limits of a command are those of the wished mode
            self.box.write(point, "mode", command.wishes["mode"])
        for wish in command.wishes.keys() - {"mode"}:
            previous[wish] = self.box.read(point, wish)
            self.box.write(point, wish, command.wishes[wish])
        previous = {wish: previous[wish] for wish in command.wishes}
        record = replace(accepted(command), status=Status.CONFIRMED, previous=previous, observed=command.wishes)
        return profiles.followed(visit, record, self.now)


class CardsAndCarsByMode(CardsAndCars):
    is_by_mode = True


TestOneModeForAll = CardsAndCars.TestCase
TestLimitsByMode = CardsAndCarsByMode.TestCase
TestOneModeForAll.settings = TestLimitsByMode.settings = settings(
    max_examples=30, stateful_step_count=15, deadline=None
)
