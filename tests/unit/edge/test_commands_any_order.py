"""Commands under any order of events: they always settle, are never sent late, and never confirmed on a guess."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from common.commands import DEADLINE_S, Status
from edge.openwb import v1_commands, v2_commands
from edge.openwb.planning import Planner
from tests.kit.commanded import Bench

LONGEST_S = DEADLINE_S + v1_commands.LOOPS_S + 60.0
"""Until sent, until shown, and until the longest undo window is over."""

V1_MODE = "openWB/global/ChargeMode"
V1_CURRENT = "openWB/config/get/sofort/lp/1/current"
V2_TEMPLATE = "openWB/chargepoint/3/set/charge_template"


def template(selected: str, current_a: int) -> str:
    return json.dumps({"id": 1, "chargemode": {"selected": selected, "instant_charging": {"current": current_a}}})


@dataclass(frozen=True)
class Site:
    """A generation, what it shows first, and what may be wished and heard."""

    planner: Planner
    number: str
    texts: dict[str, str]
    wishes: list[dict[str, Any]]
    heard: list[tuple[str, str]]


V1 = Site(
    v1_commands.PLANNER,
    "1",
    {"openWB/lp/1/boolChargePointConfigured": "1", V1_MODE: "2", V1_CURRENT: "10"},
    [{"mode": "pv"}, {"mode": "stop"}, {"current_a": 10}, {"current_a": 16, "mode": "instant"}, {"vehicle": "1"}],
    [(V1_MODE, "0"), (V1_MODE, "2"), (V1_MODE, "3"), (V1_MODE, ""), (V1_CURRENT, "16"), (V1_CURRENT, "10")],
)
V2 = Site(
    v2_commands.PLANNER,
    "3",
    {"openWB/chargepoint/3/config": "{}", V2_TEMPLATE: template("instant_charging", 16)},
    [{"mode": "stop"}, {"mode": "instant"}, {"current_a": 16}, {"current_a": 9, "mode": "stop"}, {"mode": "eco"}],
    [(V2_TEMPLATE, template(selected, current_a)) for selected in ("instant_charging", "stop") for current_a in (9, 16)]
    + [(V2_TEMPLATE, ""), (V2_TEMPLATE, "garbage")],
)

steps = st.one_of(
    st.tuples(st.just("accept"), st.integers(0, 4)),
    st.tuples(st.just("hear"), st.integers(0, 5)),
    st.tuples(st.just("echo"), st.just(0)),
    st.tuples(st.just("pass"), st.floats(0.1, 40)),
    st.tuples(st.just("freeze"), st.floats(0.1, 100)),
    st.tuples(st.just("connect"), st.integers(0, 1)),
    st.tuples(st.just("refuse"), st.integers(0, 1)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("set_clock"), st.floats(-100, 100)),
    st.tuples(st.just("mark"), st.floats(0, 20)),
)


class Checked(Bench):
    """Checks every record as it is saved, and every message as it is sent."""

    def turn(self) -> None:
        before = dict(self.records)
        super().turn()
        for command_id, record in self.records.items():
            was = before.get(command_id)
            if record.status is Status.CONFIRMED and (was is None or was.status is not Status.CONFIRMED):
                assert record.published_at is not None
                wished = {name: record.requested[name] for name in record.observed}
                assert record.observed == wished == dict(record.requested)
                assert self.planner is not None
                plan = self.planner.plan(self._commands[command_id], self.texts)
                assert all(watch.read(self.texts) == watch.wanted for watch in plan.watches)


@settings(max_examples=500)
@given(st.sampled_from([V1, V2]), st.lists(steps, max_size=25))
def test_any_order_of_events(site: Site, events: list[tuple[str, Any]]) -> None:
    """After the events time alone settles everything; the bench itself refuses what is sent after its deadline."""
    bench = Checked(site.planner, dict(site.texts))
    accepted_at: dict[str, float] = {}
    for index, (event, argument) in enumerate(events):
        match event:
            case "accept":
                accepted_at[f"c{index}"] = bench.uptime
                bench.accept(f"c{index}", site.number, **site.wishes[argument])
            case "hear":
                bench.hear(*site.heard[argument])
            case "echo":
                for _, topic, text in bench.sent[-1:]:
                    if topic.endswith("charge_template"):
                        bench.hear(V2_TEMPLATE, text)
                    else:
                        bench.hear(V1_MODE if topic.endswith("Mode") else V1_CURRENT, text)
            case "pass":
                bench.pass_s(argument, step_s=1.0)
            case "freeze":
                bench.freeze_s(argument)
            case "connect":
                bench.is_connected = bool(argument)
            case "refuse":
                bench.refusal = "no" if argument else None
            case "restart":
                bench.restart()
            case "set_clock":
                bench.now += argument
            case _:
                bench.go_to_mark(argument)
    bench.pass_s(LONGEST_S, step_s=5.0)
    assert not bench.executor.is_busy
    for command_id in accepted_at:
        assert bench.records[command_id].status.is_settled, bench.records[command_id]
    for record in bench.records.values():
        assert (record.published_at is None) == ("published" not in bench.history[record.id])
    if "set_clock" not in {event for event, _ in events}:
        for command_id, sent_at in bench.first_sent_at.items():
            assert sent_at < accepted_at[command_id] + DEADLINE_S
    assert len(bench.sent) <= 2 * 3 * len(accepted_at)  # two messages at most, each sent again twice at most
