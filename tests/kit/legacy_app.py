"""The existing iOS app as its server sees it: the models it decodes, as strictly as it does.

A field that is missing or null, a fraction or a text where it wants a whole number, an unknown shape: all of the answer
is lost to it. Its JSON decoder ignores fields that it does not know.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

WHOLE, DECIMAL, TEXT, BOOLEAN = "Int", "Double", "String", "Bool"
PHASE = {"Pf": [WHOLE], "V": [DECIMAL], "A": [WHOLE]}

VALUES = {"evu": WHOLE, "ladeleistung": WHOLE, "photovoltaik": WHOLE, "hausverbrauch": WHOLE, "time": DECIMAL}
CHARGE_MODE = {"modusName": TEXT, "modus": WHOLE}
ENTRY = {
    "start": WHOLE,
    "ende": WHOLE,
    "km": WHOLE,
    "kWh": DECIMAL,
    "kW": DECIMAL,
    "ladepunkt": TEXT,
    "modus": WHOLE,
}
CHARGE_LOG = {"log": [ENTRY]}
PERSON = {"username": TEXT, "tagName": TEXT, "admin": BOOLEAN}
CHARGE_POINT = {
    "name": TEXT,
    "soc": WHOLE,
    "phase": PHASE,
    "kWhDaily": WHOLE,
    "kWhCounter": DECIMAL,
    "W": WHOLE,
    "enabled": WHOLE,
}
CONSUMPTION = {
    "evu": {"W": WHOLE, "phase": PHASE, "WhImported": DECIMAL, "WhExported": DECIMAL, "ASchieflast": WHOLE},
    "verbraucher": {f"{name}Nr{number}": WHOLE for name in ("W", "WhImported", "WhExported") for number in (1, 2)},
    "pv": {"W": WHOLE, "WhCounter": WHOLE, "CounterTillStartPvCharging": WHOLE},
    "housebattery": {"W": WHOLE, "Soc": WHOLE, "WhImported": WHOLE, "WhExported": WHOLE},
}
SITE = dict.fromkeys(
    (
        "WHouseConsumption",
        "WAllChargePoints",
        "ChargeMode",
        "boolChargeAtNight_direct",
        "boolChargeAtNight_nurpv",
        "boolChargeAtNight_minpv",
        "boolDisplayHouseConsumption",
        "boolDisplayDailyCharged",
        "boolEvuSmoothedActive",
        "boolDisplayHouseBatteryPriority",
        "strLastmanagementActive",
    ),
    WHOLE,
)

MODE_NAMES = {"Sofortladen", "Min + PV", "PV Überschuss", "Stop", "Standby"}


def check(model: Any, value: Any, where: str = "answer") -> None:
    """Assert that `value`, as JSON gave it, decodes as `model`."""
    if isinstance(model, Mapping):
        assert isinstance(value, dict), f"{where} is no object"
        for name, part in model.items():
            assert name in value, f"{where}.{name} is missing"
            check(part, value[name], f"{where}.{name}")
    elif isinstance(model, Sequence) and not isinstance(model, str):
        assert isinstance(value, list), f"{where} is no list"
        for number, item in enumerate(value):
            check(model[0], item, f"{where}[{number}]")
    else:
        kinds: dict[str, tuple[type, ...]] = {WHOLE: (int,), DECIMAL: (int, float), TEXT: (str,), BOOLEAN: (bool,)}
        assert type(value) in kinds[model], f"{where} is {value!r}, not {model}"


def claims(token: str) -> dict[str, Any]:
    """The token's claims, by the app's own way: the standard alphabet, and `length % 4` equals signs."""
    part = token.split(".")[1]
    padded = part + "=" * (len(part) % 4)
    assert len(padded) % 4 == 0, "the app's decoder refuses this length"
    told: dict[str, Any] = json.loads(base64.b64decode(padded, validate=True))
    return told
