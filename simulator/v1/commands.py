"""What openWB 1.9 does with a message on `openWB/set/#` and `openWB/config/set/#` (its `runs/mqttsub.py`).

`decide` is pure: it says what is written, echoed, and whether the topic is cleared. openWB's habits are kept on
purpose: a value out of range is cleared without an echo; where `int()` or `float()` fails nothing happens at all; the
text is stored and echoed as it came, so ` 16` stays ` 16`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

CHARGE_POINTS = range(1, 9)  # openWB 1.9 knows eight, configured or not
SET_PREFIXES = ("openWB/set/", "openWB/config/set/")


@dataclass(frozen=True, slots=True)
class Setting:
    """A number that may be set: where it is heard, where it is shown, its range, and its value after installation."""

    set_topic: str
    get_topic: str
    lowest: int
    highest: int
    default: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Everything is to be published again."""


@dataclass(frozen=True, slots=True)
class EnergyReset:
    """The energy counted for the kWh limit starts over."""

    charge_point: int


@dataclass(frozen=True, slots=True)
class TagScanned:
    tag: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`writes` maps names of values (their topics without `openWB/`) to new texts; `echoes` are shown at once."""

    writes: Mapping[str, str] = field(default_factory=dict)
    echoes: Mapping[str, str] = field(default_factory=dict)
    event: Renew | EnergyReset | TagScanned | None = None
    is_cleared: bool = True


def _settings() -> list[Setting]:
    table = [
        Setting("set/ChargeMode", "global/ChargeMode", 0, 4, "1"),
        Setting("config/set/global/minEVSECurrentAllowed", "config/get/global/minEVSECurrentAllowed", 6, 32, "6"),
        Setting("config/set/global/maxEVSECurrentAllowed", "config/get/global/maxEVSECurrentAllowed", 6, 32, "32"),
        Setting("config/set/global/rfidConfigured", "global/rfidConfigured", 0, 1, "1"),
    ]
    for name, lowest, highest, default in (
        ("minCurrentMinPv", 6, 16, "6"),
        ("lp/1/minCurrent", 6, 16, "6"),
        ("lp/2/minCurrent", 6, 16, "6"),
        ("lp/1/socLimitation", 0, 1, "0"),
        ("lp/2/socLimitation", 0, 1, "0"),
        ("lp/1/maxSoc", 0, 100, "100"),
        ("lp/2/maxSoc", 0, 100, "100"),
        ("lp/1/minSocAlwaysToChargeTo", 0, 80, "0"),
        ("lp/1/maxSocToChargeTo", 0, 101, "101"),
        ("lp/1/minSocAlwaysToChargeToCurrent", 6, 32, "10"),
        ("priorityModeEVBattery", 0, 1, "1"),
        ("minFeedinPowerBeforeStart", -100_000, 100_000, "1500"),
        ("maxPowerConsumptionBeforeStop", -100_000, 100_000, "200"),
        ("startDelay", 0, 100_000, "30"),
        ("stopDelay", 0, 10_000, "60"),
        ("regulationPoint", -300_000, 300_000, "0"),
    ):
        table.append(Setting(f"config/set/pv/{name}", f"config/get/pv/{name}", lowest, highest, default))
    for n in CHARGE_POINTS:
        sofort = f"sofort/lp/{n}"
        table += [
            Setting(f"set/lp/{n}/ChargePointEnabled", f"lp/{n}/ChargePointEnabled", 0, 1, "1"),
            Setting(f"config/set/{sofort}/current", f"config/get/{sofort}/current", 6, 32, "10"),
            Setting(
                f"config/set/{sofort}/chargeLimitation",
                f"config/get/{sofort}/chargeLimitation",
                0,
                2 if n <= 2 else 1,
                "0",
            ),
            Setting(f"config/set/{sofort}/energyToCharge", f"config/get/{sofort}/energyToCharge", 0, 100, "10"),
            Setting(f"config/set/{sofort}/etBasedCharging", f"config/get/{sofort}/etBasedCharging", 0, 1, "0"),
            Setting(f"config/set/lp/{n}/stopchargeafterdisc", f"config/get/lp/{n}/stopchargeafterdisc", 0, 1, "0"),
        ]
        if n <= 2:
            table.append(
                Setting(f"config/set/{sofort}/socToChargeTo", f"config/get/{sofort}/socToChargeTo", 0, 100, "80")
            )
    return table


SETTINGS = tuple(_settings())
DEFAULTS = {setting.get_topic: setting.default for setting in SETTINGS}
MAX_PRICE = "global/awattar/MaxPriceForCharging"

_BY_GET_TOPIC = {setting.get_topic: setting for setting in SETTINGS}
_BY_SET_TOPIC = {setting.set_topic: setting for setting in SETTINGS}
_LIMITATION = re.compile(r"config/set/sofort/lp/([1-8])/chargeLimitation")
_RESET = re.compile(r"config/set/sofort/lp/([1-8])/resetEnergyToCharge")
_MANUAL_SOC = re.compile(r"set/lp/([12])/manualSoc")
_FAULT = re.compile(
    r"set/(evu|pv/[12]|houseBattery|lp/[1-8])/(faultState|faultStr)|set/lp/[12]/(socFaultState|socFaultStr)"
)
_TAG = re.compile(r"[0-9a-zA-Z ]+")
_KEPT = ("set/configure/", "set/graph/Request")  # mqttsub.py leaves these as they came


def decide(topic: str, payload: str) -> Outcome | None:
    """What follows from one message; None if openWB ignores it without a trace."""
    if not payload or not topic.startswith(SET_PREFIXES):
        return None
    # mqttsub.py finds the number by stripping all that is no digit, so `lp1` means `lp/1`.
    name = re.sub(r"/lp([1-8])/", r"/lp/\1/", topic.removeprefix("openWB/"))
    if name.startswith(_KEPT):
        return None
    try:
        return _decide(name, payload)
    except ValueError:
        return None


def is_valid(name: str, text: str) -> bool:
    """Whether `text` may stand at the setting that is shown at `name`."""
    setting = _BY_GET_TOPIC.get(name)
    try:
        return setting is not None and setting.lowest <= int(text) <= setting.highest
    except ValueError:
        return False


def _decide(name: str, payload: str) -> Outcome:
    """As `decide`; raises ValueError where openWB's own parsing raises."""
    if setting := _BY_SET_TOPIC.get(name):
        if not setting.lowest <= int(payload) <= setting.highest:
            return Outcome()
        writes = {setting.get_topic: payload}
        return Outcome(writes, writes | _legacy_flags(name, int(payload)))
    if name == "set/awattar/MaxPriceForCharging":
        return Outcome({MAX_PRICE: payload}) if -50 <= float(payload) <= 95 else Outcome()
    if match := _RESET.fullmatch(name):
        return Outcome(event=EnergyReset(int(match[1]))) if int(payload) == 1 else Outcome()
    if match := _MANUAL_SOC.fullmatch(name):
        if not 0 <= int(payload) <= 100:
            return Outcome()
        manual = f"lp/{match[1]}/manualSoc"
        return Outcome({manual: payload}, {manual: payload, f"lp/{match[1]}/%Soc": payload})
    if _FAULT.fullmatch(name):
        if name.endswith("State") and not 0 <= int(payload) <= 2:
            return Outcome()
        shown = {name.removeprefix("set/").replace("houseBattery", "housebattery"): payload}
        return Outcome(shown, shown)
    if name == "set/system/SimulateRFID":
        return Outcome(event=TagScanned(payload)) if _TAG.fullmatch(payload) else Outcome()
    if name == "set/RenewMQTT":
        return Outcome(event=Renew()) if int(payload) == 1 else Outcome()
    return Outcome()  # handled by parts that this house has not; the topic is cleared all the same


def _legacy_flags(name: str, value: int) -> dict[str, str]:
    """The old topics that show a limit besides its setting."""
    match = _LIMITATION.fullmatch(name)
    return limit_flags(int(match[1]), value) if match else {}


def limit_flags(n: int, limitation: int) -> dict[str, str]:
    """`boolDirectModeChargekWh` for every charge point, `boolDirectChargeModeSoc` for the first two."""
    flags = {f"lp/{n}/boolDirectModeChargekWh": str(int(limitation == 1))}
    if n <= 2:
        flags[f"lp/{n}/boolDirectChargeModeSoc"] = str(int(limitation == 2))
    return flags
