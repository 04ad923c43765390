"""The rows of the SmartHome devices, which openWB 2.x took over from 1.9 as they were, under other prefixes.

Their configuration holds passwords and addresses: only what is named here is subscribed.
"""

from collections.abc import Callable

from edge.openwb import parsing
from edge.openwb.dialect import Fill, Gate, Range, Reading
from edge.openwb.parsing import Value
from edge.openwb.plausible import METER, SITE_POWER, TEMPERATURE

_IS_SMARTHOME = (Gate(("fact.is_smarthome.{n}",)),)
_NUMBERS = range(1, 10)

_VALUES: tuple[tuple[str, str, Callable[[str], Value], Range], ...] = (
    ("Watt", "power_w", parsing.number, SITE_POWER),
    ("RelayStatus", "is_on", parsing.boolean, Range(0, 1)),
    ("TemperatureSensor0", "temperatures_c.0", parsing.temperature, TEMPERATURE),
    ("TemperatureSensor1", "temperatures_c.1", parsing.temperature, TEMPERATURE),
    ("TemperatureSensor2", "temperatures_c.2", parsing.temperature, TEMPERATURE),
)


def smarthome(prefix: str, configuration: str) -> tuple[Reading, ...]:
    """Nine devices: values below `prefix`, names and switches below `configuration`."""
    return (
        _row(f"{configuration}/{{n}}/device_configured", Fill("fact.is_smarthome.{n}", parsing.boolean)),
        _row(f"{configuration}/{{n}}/device_name", Fill(_field("name"), parsing.name, gates=_IS_SMARTHOME)),
        *(
            _row(f"{prefix}/{{n}}/{topic}", Fill(_field(name), parse, plausible, _IS_SMARTHOME))
            for topic, name, parse, plausible in _VALUES
        ),
        _row(f"{prefix}/{{n}}/Wh", Fill(_field("energy_wh"), parsing.wh, METER, _IS_SMARTHOME, is_meter=True)),
    )


def _row(topic: str, fill: Fill) -> Reading:
    return Reading(topic, (fill,), parsing.unquoted, numbers=_NUMBERS)


def _field(name: str) -> str:
    return f"devices.smarthome-{{n}}.{name}"
