"""How openWB 2.x is told something: its set topics, and where it shows that it took them.

Obeys openWB 2.3 (`helpermodules/setdata.py`): an accepted value appears on the topic of its state within a second, a
refused one does not appear. The charge template is always written as a whole, made from what was heard last. Without
temporary templates it belongs to every charge point whose vehicle uses it. What is not named here cannot be sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.commands import Command
from edge.openwb import json_values, v2_objects, v2_template
from edge.openwb.planning import NotYet, Plan, Planner, Publication, Refused, Texts, Watch
from edge.openwb.v2 import DIALECT
from edge.openwb.v2_heard import PREFIX, Heard, reader

ECHO_S = 4.0
"""The core echoes within 50 ms, a busy one within 2 s; the api waits 5 s for an answer."""

CYCLE_SLACK_S = 2.0
"""What a control loop needs beyond its interval until its results are published."""

_SET = "openWB/set/"


@dataclass(frozen=True, slots=True)
class _Part:
    """What one message adds to the plan."""

    publication: Publication
    watches: tuple[Watch, ...]
    within_s: float = ECHO_S


def plan(command: Command, texts: Texts) -> Plan:
    """Raises Refused or NotYet."""
    heard, wishes, number = Heard(texts), command.wishes, command.charge_point
    if heard.content("general/extern") is True:
        raise Refused("this wallbox is controlled by another one, which must be asked")
    if unknown := sorted(wishes.keys() - {*v2_template.WISHES, *_ALONE}):
        raise Refused(f"{', '.join(unknown)}: openWB 2.x has no such setting")
    if number is None:
        return _mode_everywhere(wishes, heard)
    if number not in heard.charge_points():
        raise Refused("there is no such charge point")
    if "vehicle" in wishes and len(wishes) > 1:
        raise Refused("vehicle: it brings its own template, so assign it first, in a command of its own")
    parts = [part(number, wishes[wish], heard) for wish, part in _ALONE.items() if wish in wishes]
    affects: tuple[str, ...] = ()
    if not wishes.keys().isdisjoint(v2_template.WISHES):
        template = _template(number, heard)
        parts.append(_template_part(wishes, number, template, heard))
        affects = _sharing(number, template, heard)
    return Plan(
        publications=tuple(part.publication for part in parts),
        watches=tuple(watch for part in parts for watch in part.watches),
        within_s=max(part.within_s for part in parts),
        affects=affects,
    )


PLANNER = Planner(
    plan=plan,
    heartbeat=DIALECT.heartbeat,
    stale_after_s=DIALECT.stale_after_s,
    site_wide=frozenset(),
    hold_s=lambda texts: Heard(texts).interval_s() + CYCLE_SLACK_S,
    undo_interval_s=lambda texts: Heard(texts).interval_s() + CYCLE_SLACK_S,
)


def _mode_everywhere(wishes: Mapping[str, Any], heard: Heard) -> Plan:
    if others := sorted(wishes.keys() - {"mode"}):
        raise Refused(f"{', '.join(others)}: name a charge point")
    numbers = heard.charge_points()
    if not numbers:
        raise NotYet("no charge point had been heard of")
    parts = [_template_part(wishes, number, _template(number, heard), heard) for number in numbers]
    watches = [watch for part in parts for watch in part.watches]
    wanted = watches[0].wanted

    def read(texts: Texts) -> Any:
        """Of several modes one that is not as wished, so that nothing looks done before all of it is."""
        shown = [watch.read(texts) for watch in watches]
        return next((mode for mode in shown if mode != wanted), wanted)

    topics = tuple(topic for watch in watches for topic in watch.topics)
    everywhere = Watch(wish="mode", wanted=wanted, read=read, topics=topics)
    return Plan(publications=tuple(part.publication for part in parts), watches=(everywhere,), within_s=ECHO_S)


def _template(number: str, heard: Heard) -> v2_template.Template:
    """The newest one, as long as it is that of the vehicle that is assigned now."""
    template = heard.content(f"chargepoint/{number}/set/charge_template")
    if not isinstance(template, dict) or not isinstance(template.get("chargemode"), dict):
        raise NotYet("the wallbox had not shown the charge template")
    expected = heard.vehicle_configuration(number, "charge_template")
    if expected is not None and expected != template.get("id"):
        raise NotYet("the wallbox was just changing to another charge template")
    return template


def _template_part(wishes: Mapping[str, Any], number: str, template: v2_template.Template, heard: Heard) -> _Part:
    topic = f"chargepoint/{number}/set/charge_template"
    members = v2_template.members(wishes, number, template, heard)
    changed = v2_template.changed(template, members)
    watches = tuple(
        Watch(wish=member.wish, wanted=member.read(changed), read=reader(topic, member.read), topics=(PREFIX + topic,))
        for member in members
    )
    return _Part(Publication(_SET + topic, json_values.compact(changed)), watches)


def _sharing(number: str, template: v2_template.Template, heard: Heard) -> tuple[str, ...]:
    """The charge points that change, too; unless openWB says otherwise, templates are not temporary."""
    if heard.content("general/temporary_charge_templates_active") is True:
        return ()
    others = (other for other in heard.charge_points() if other != number)
    return tuple(other for other in others if _template_in_use(other, heard) == template.get("id"))


def _template_in_use(number: str, heard: Heard) -> Any:
    """Of the vehicle that is configured; the connected vehicle follows with the next control loop."""
    vehicle = reader(f"chargepoint/{number}/config", v2_objects.vehicle_id)(heard.texts)
    configured = heard.content(f"vehicle/{vehicle}/charge_template")
    return heard.vehicle_configuration(number, "charge_template") if configured is None else configured


def _enabling(number: str, is_wanted: bool, _heard: Heard) -> _Part:
    topic = f"chargepoint/{number}/set/manual_lock"
    watch = Watch(
        wish="is_enabled", wanted=is_wanted, read=reader(topic, json_values.inverse), topics=(PREFIX + topic,)
    )
    return _Part(Publication(_SET + topic, "false" if is_wanted else "true"), (watch,))


def _assignment(number: str, vehicle: str, heard: Heard) -> _Part:
    """The core takes any number, and treats an unknown one as vehicle 0."""
    if heard.content(f"vehicle/{vehicle}/name") is None:
        raise Refused("vehicle: there is no such vehicle")
    assigned = reader(f"chargepoint/{number}/config", v2_objects.vehicle_id)
    in_use = _vehicle_in_use(number)

    def read(texts: Texts) -> Any:
        """Both must say so: the control loop follows an assignment, or takes it back."""
        shown = [one for one in (assigned(texts), in_use(texts)) if one is not None]
        return next((one for one in shown if one != vehicle), vehicle) if shown else None

    watch = Watch(
        wish="vehicle",
        wanted=vehicle,
        read=read,
        topics=(f"openWB/chargepoint/{number}/config",),
        hint="while an RFID tag or the car itself names a vehicle, openWB keeps to that one",
    )
    within_s = ECHO_S + heard.interval_s() + CYCLE_SLACK_S
    return _Part(Publication(f"{_SET}chargepoint/{number}/config/ev", vehicle), (watch,), within_s)


def _soc_by_hand(number: str, soc_percent: int, heard: Heard) -> _Part:
    vehicle = _vehicle_in_use(number)(heard.texts)
    if vehicle is None:
        raise NotYet("the wallbox had not said which vehicle is assigned")
    if heard.content(f"vehicle/{vehicle}/soc_module/calculated_soc_state") is None:
        raise Refused("soc_percent: no SoC module is set up for the assigned vehicle")
    topic = f"vehicle/{vehicle}/get/soc"
    watch = Watch(
        wish="soc_percent",
        wanted=soc_percent,
        read=reader(topic, json_values.number),
        topics=(PREFIX + topic,),
        is_momentary=True,
        hint="openWB takes it over at once only when the vehicle's SoC module is the manual one",
    )
    set_topic = f"{_SET}vehicle/{vehicle}/soc_module/calculated_soc_state/manual_soc"
    return _Part(Publication(set_topic, str(soc_percent)), (watch,))


def _vehicle_in_use(number: str) -> Callable[[Texts], Any]:
    read_id = json_values.at("id", read=json_values.identifier)
    return reader(f"chargepoint/{number}/get/connected_vehicle/info", read_id)


_ALONE: Mapping[str, Callable[[str, Any, Heard], _Part]] = {
    "vehicle": _assignment,
    "soc_percent": _soc_by_hand,
    "is_enabled": _enabling,
}
"""The wishes that have a set topic of their own."""
