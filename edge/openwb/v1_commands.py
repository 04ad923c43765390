"""How openWB 1.9 is told something: its set topics, ranges and echoes. The other place with its German topic names.

Obeys openWB 1.9.304 (`runs/mqttsub.py`): an accepted value is echoed on the topic of its state, a refused one is not.
Only canonical ASCII numbers are sent, since the text is stored as it comes. What is not named here cannot be sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from common.commands import Command
from common.model import Mode
from edge.openwb import parsing
from edge.openwb.parsing import Unreadable
from edge.openwb.planning import Plan, Planner, Publication, Refused, Texts, Watch
from edge.openwb.v1 import DIALECT

ECHO_S = 4.0
"""`mqttsub.py` echoes at once, but handles one message after the other; the api waits 5 s for an answer."""

CONFIG_ECHO_S = 8.0
"""`config/set` rotates ten backups of openWB's configuration on an SD card before it echoes."""

LOOPS_S = 45.0
"""What shows only with the control loop: two loops of the slowest speed, 20 s each, and the seconds of publishing."""

HOLD_S = 25.0
"""Autolock, ripple control or an RFID tag may override a setting in the next loop: two loops, and publishing."""

_ON_ALL = frozenset({"mode", "min_pv_current_a", "max_price_per_kwh", "phases"})
_MODES = {Mode.INSTANT: "0", Mode.MIN_PV: "1", Mode.PV: "2", Mode.STOP: "3", Mode.STANDBY: "4"}
_LIMITS = ("none", "energy", "soc")
_TWO = range(1, 3)
_PHASES = {Mode.INSTANT: "sofort", Mode.MIN_PV: "minundpv", Mode.PV: "nurpv", Mode.STANDBY: "standby"}
_LED_BY_SURPLUS = (Mode.MIN_PV, Mode.PV)  # automatic phases exist for these alone


@dataclass(frozen=True, slots=True)
class Setting:
    """One number: where it is set and shown, its range in openWB's unit, and how the forms become one another."""

    wish: str
    set_topic: str
    state_topic: str
    lowest: float
    highest: float
    from_openwb: Callable[[str], Any]
    within_s: float
    to_openwb: Callable[[Any], float | str] = int
    unit: str = ""
    numbers: range = range(1, 9)
    is_momentary: bool = False
    hint: str | None = None


_MODE = "openWB/global/ChargeMode"
_SOFORT_SET, _SOFORT_GET = "openWB/config/set/sofort/lp/{n}/", "openWB/config/get/sofort/lp/{n}/"
_PV_SET, _PV_GET = "openWB/config/set/pv/", "openWB/config/get/pv/"
_PV_OWN = "lp/{n}/minCurrent"
_CHARGED = "openWB/lp/{n}/kWhActualCharged"
_ENABLED = "lp/{n}/ChargePointEnabled"
_PRICE = "awattar/MaxPriceForCharging"
_COUNTS_ON = "while a charge is running openWB counts on with the old energy"

_number = parsing.number
SETTINGS = (
    Setting("current_a", _SOFORT_SET + "current", _SOFORT_GET + "current", 6, 32, _number, CONFIG_ECHO_S, unit=" A"),
    Setting(
        "pv_min_current_a", _PV_SET + _PV_OWN, _PV_GET + _PV_OWN, 6, 16, _number, CONFIG_ECHO_S, unit=" A", numbers=_TWO
    ),
    Setting(
        "min_pv_current_a",
        _PV_SET + "minCurrentMinPv",
        _PV_GET + "minCurrentMinPv",
        6,
        16,
        _number,
        CONFIG_ECHO_S,
        unit=" A",
    ),
    Setting(
        "max_price_per_kwh",
        "openWB/set/" + _PRICE,
        "openWB/global/" + _PRICE,
        -50,
        95,
        parsing.cents_as_eur,
        LOOPS_S,
        to_openwb=lambda eur: round(eur * 100, 3),
        unit=" ct/kWh",
    ),
    Setting(
        "soc_percent",
        "openWB/set/lp/{n}/manualSoc",
        "openWB/lp/{n}/manualSoc",
        0,
        100,
        _number,
        ECHO_S,
        unit=" %",
        numbers=_TWO,
        is_momentary=True,
    ),
    Setting(
        "reset_energy",
        _SOFORT_SET + "resetEnergyToCharge",
        _CHARGED,
        1,
        1,
        parsing.kwh_as_wh,
        LOOPS_S,
        is_momentary=True,
        hint=_COUNTS_ON,
    ),
    Setting("is_enabled", "openWB/set/" + _ENABLED, "openWB/" + _ENABLED, 0, 1, parsing.boolean, ECHO_S),
    Setting(
        "mode", "openWB/set/ChargeMode", _MODE, 0, 4, parsing.mode, ECHO_S, to_openwb=lambda mode: _MODES[Mode(mode)]
    ),
)
"""In the order in which they are sent: what the mode uses first, the mode last."""

_BY_WISH = {setting.wish: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class _Part:
    """What one wish adds to the plan."""

    publications: tuple[Publication, ...]
    watch: Watch
    within_s: float


def plan(command: Command, texts: Texts) -> Plan:
    """Raises Refused."""
    number = command.charge_point
    if texts.get("openWB/config/get/global/slaveMode") == "1":
        raise Refused("this wallbox is controlled by another one, which must be asked")
    if number is None and (own := sorted(command.wishes.keys() - _ON_ALL)):
        raise Refused(f"{', '.join(own)}: name a charge point")
    if number is not None and number not in _configured(texts):
        raise Refused("there is no such charge point")
    parts = [
        _part(wish, number or "1", command, texts) for wish in ("limit", "phases", *_BY_WISH) if wish in command.wishes
    ]
    if unknown := sorted(command.wishes.keys() - {part.watch.wish for part in parts}):
        raise Refused(f"{', '.join(unknown)}: openWB 1.9 has no such setting")
    is_shared = number is not None and not _ON_ALL.isdisjoint(command.wishes)
    return Plan(
        publications=tuple(publication for part in parts for publication in part.publications),
        watches=tuple(part.watch for part in parts),
        within_s=max(part.within_s for part in parts),
        affects=tuple(other for other in _configured(texts) if other != number) if is_shared else (),
    )


PLANNER = Planner(
    plan=plan,
    heartbeat=DIALECT.heartbeat,
    stale_after_s=DIALECT.stale_after_s,
    site_wide=_ON_ALL,
    hold_s=lambda _texts: HOLD_S,
    undo_interval_s=lambda _texts: None,
)


def _configured(texts: Texts) -> list[str]:
    return [str(n) for n in range(1, 9) if texts.get(f"openWB/lp/{n}/boolChargePointConfigured") == "1"]


def _part(wish: str, number: str, command: Command, texts: Texts) -> _Part:
    if wish == "limit":
        return _limit(number, command.wishes["limit"], texts)
    if wish == "phases":
        return _phases(command, texts)
    setting, value = _BY_WISH[wish], command.wishes[wish]
    if int(number) not in setting.numbers:
        raise Refused(f"{wish}: openWB 1.9 has it for the first two charge points only")
    if wish == "mode" and value not in _MODES:
        raise Refused(f"mode: openWB 1.9 has no mode {value}")
    if wish == "soc_percent" and texts.get(f"openWB/lp/{number}/boolSocConfigured") != "1":
        raise Refused("soc_percent: no SoC module is set up at this charge point")
    lowest, highest = _range(setting, texts)
    openwb_value = setting.to_openwb(value)
    if not lowest <= float(openwb_value) <= highest:
        raise Refused(f"{wish}: this wallbox allows {lowest:g} to {highest:g}{setting.unit}")
    topic = setting.state_topic.replace("{n}", number)
    publication = _publication(setting.set_topic, number, openwb_value)
    watch = Watch(
        wish=wish,
        wanted=0 if wish == "reset_energy" else setting.from_openwb(publication.payload),
        read=lambda heard: _value(heard, topic, setting.from_openwb),
        topics=(topic,),
        is_momentary=setting.is_momentary,
        hint=setting.hint,
    )
    return _Part((publication,), watch, setting.within_s)


def _range(setting: Setting, texts: Texts) -> tuple[float, float]:
    """The owner's own limits of the current lie within those of the protocol."""
    lowest, highest = setting.lowest, setting.highest
    if setting.wish == "current_a":
        own_lowest = _value(texts, "openWB/config/get/global/minEVSECurrentAllowed", parsing.number)
        own_highest = _value(texts, "openWB/config/get/global/maxEVSECurrentAllowed", parsing.number)
        lowest = max(lowest, own_lowest) if own_lowest is not None else lowest
        highest = min(highest, own_highest) if own_highest is not None else highest
    return lowest, highest


def _limit(number: str, limit: dict[str, Any], texts: Texts) -> _Part:
    """The amount first: a limit that counts before its number is right could end a charge at once."""
    kind = limit["type"]
    own: list[tuple[str, int]] = []
    if kind == "energy":
        kwh, rest_wh = divmod(limit["energy_wh"], 1000)
        if rest_wh or not 1 <= kwh <= 100:
            raise Refused("limit: openWB 1.9 counts whole kWh, 1000 to 100000 Wh")
        own.append(("energyToCharge", kwh))
    if kind == "soc":
        if int(number) not in _TWO:
            raise Refused("limit: openWB 1.9 limits by SoC at the first two charge points only")
        if texts.get(f"openWB/lp/{number}/boolSocConfigured") != "1":
            raise Refused("limit: no SoC module is set up at this charge point")
        own.append(("socToChargeTo", limit["soc_percent"]))
    own.append(("chargeLimitation", _LIMITS.index(kind)))
    shown = _SOFORT_GET.replace("{n}", number)
    watch = Watch(
        wish="limit",
        wanted=dict(limit),
        read=lambda heard: _shown_limit(heard, shown),
        topics=tuple(shown + name for name, _ in own),
    )
    publications = tuple(_publication(_SOFORT_SET + name, number, value) for name, value in own)
    return _Part(publications, watch, CONFIG_ECHO_S)


def _shown_limit(texts: Texts, prefix: str) -> dict[str, Any] | None:
    kind = _value(texts, prefix + "chargeLimitation", parsing.limit_type)
    if kind == "energy":
        return {"type": kind, "energy_wh": _value(texts, prefix + "energyToCharge", parsing.kwh_as_wh)}
    if kind == "soc":
        return {"type": kind, "soc_percent": _value(texts, prefix + "socToChargeTo", parsing.number)}
    return None if kind is None else {"type": kind}


def _phases(command: Command, texts: Texts) -> _Part:
    """Each mode has phases of its own; the ones of the wished mode, else of the present one, are meant."""
    if texts.get("openWB/config/get/u1p3p/isConfigured") != "1":
        raise Refused("phases: this wallbox does not switch phases")
    mode = command.wishes.get("mode") or _value(texts, _MODE, parsing.mode)
    name = _PHASES.get(mode) if mode is not None else None
    if name is None:
        raise Refused(f"phases: the mode {mode or 'of this wallbox'} has none")
    if command.wishes["phases"] == 0 and mode not in _LED_BY_SURPLUS:
        raise Refused(f"phases: the mode {mode} has 1 or 3, not automatic")
    topic = f"openWB/config/get/u1p3p/{name}Phases"
    watch = Watch(
        wish="phases",
        wanted=command.wishes["phases"],
        read=lambda heard: _value(heard, topic, parsing.phases),
        topics=(topic,),
    )
    payload = command.wishes["phases"] or 4
    return _Part((_publication(f"openWB/config/set/u1p3p/{name}Phases", "", payload),), watch, CONFIG_ECHO_S)


def _publication(topic: str, number: str, value: float | str) -> Publication:
    return Publication(topic.replace("{n}", number), value if isinstance(value, str) else format(value, "g"))


def _value(texts: Texts, topic: str, parse: Callable[[str], Any]) -> Any:
    """None: never heard, emptied, or not what it should be."""
    text = texts.get(topic, "").strip()
    try:
        return parse(text) if text else None
    except Unreadable:
        return None
