"""Every topic of both openWB generations that holds a secret or personal data, for the tests that feed them all.

Filters as MQTT writes them; `concrete` makes topics of one. MARK stands for whatever must not be seen again.
"""

from collections.abc import Mapping
from typing import Any

MARK = "0004A376A2-hidden-mark"

_SMARTHOME_MEMBERS = (
    *("device_username", "device_password", "device_shusername", "device_shpassword", "device_measureshusername"),
    *("device_measureshpassword", "device_measureavmusername", "device_measureavmpassword", "device_actor"),
    *("device_ip", "device_measureip", "device_pbip", "device_einschalturl", "device_ausschalturl"),
    *("device_leistungurl", "device_stateurl", "device_measureurl", "device_measureurlc", "device_measurejsonurl"),
)

_OLD = (
    *(f"openWB/config/get/SmartHome/Devices/+/{name}" for name in _SMARTHOME_MEMBERS),
    "openWB/set/#",
    "openWB/config/set/#",
    "openWB/system/debug/DebugInfo",
    "openWB/system/lastRfId",
    "openWB/lp/+/lastRfId",
    "openWB/lp/+/tagScanInfo",
    "openWB/lp/+/Accounting",
    "openWB/lp/+/LastScannedRfidTag",
    *(f"openWB/system/MonthLadelogData{n}" for n in range(1, 13)),
    "openWB/system/IpAddress",
    "openWB/system/parentWB",
    "openWB/system/parentCPlp1",
    "openWB/system/parentCPlp2",
    "openWB/config/get/display/#",
)

_NEW = (
    "openWB/vehicle/+/soc_module/config",
    "openWB/system/device/#",
    "openWB/system/io/#",
    "openWB/optional/ep/+/provider",
    "openWB/optional/et/provider",
    "openWB/optional/monitoring/#",
    "openWB/optional/ocpp/config",
    "openWB/optional/int_display/#",
    "openWB/system/backup_cloud/#",
    "openWB/system/backup_password",
    "openWB/system/mqtt/#",
    "openWB/system/GetRemoteSupport",
    "openWB/system/messages/#",
    "openWB/system/serial_number",
    "openWB/system/mac_address",
    "openWB/system/ip_address",
    "openWB/system/hostname",
    "openWB/system/pnp_ip",
    "openWB-remote/#",
    "openWB/command/#",
    "others/#",
    "openWB/log/#",
    "openWB/simpleAPI/#",
    "openWB/mqtt/#",
    "openWB/vehicle/+/tag_id",
    "openWB/vehicle/+/get/odometer",
    "openWB/vehicle/+/get/range",
    "openWB/chargepoint/+/get/rfid",
    "openWB/chargepoint/+/get/rfid_timestamp",
    "openWB/chargepoint/+/set/rfid",
    "openWB/chargepoint/+/get/vehicle_id",
    "openWB/chargepoint/+/get/serial_number",
    "openWB/chargepoint/+/get/connected_vehicle",
    "openWB/internal_chargepoint/#",
    *(f"openWB/LegacySmartHome/config/get/Devices/+/{name}" for name in _SMARTHOME_MEMBERS),
    "openWB/LegacySmartHome/config/set/#",
)

FORBIDDEN = (*_OLD, *_NEW)

MIXED: Mapping[str, dict[str, Any]] = {
    "openWB/chargepoint/3/config": {
        "id": 3,
        "name": "Garage",
        "ev": 1,
        "configuration": {"ip_address": MARK, "password": MARK},
        "ocpp_chargebox_id": MARK,
    },
    "openWB/chargepoint/3/set/log": {
        "imported_since_plugged": 65.5,
        "rfid": MARK,
        "serial_number": MARK,
        "odometer": MARK,
        "range_at_start": MARK,
        "range_charged": MARK,
    },
    "openWB/chargepoint/3/get/connected_vehicle/info": {"id": 1, "name": "Käfer", "tag_id": [MARK]},
    "openWB/chargepoint/3/get/connected_vehicle/soc": {
        "soc": 55,
        "timestamp": 1795394881.6,
        "range": MARK,
        "range_charged": MARK,
        "range_unit": MARK,
    },
    "openWB/chargepoint/3/get/connected_vehicle/config": {"chargemode": "stop", "average_consumption": MARK},
    "openWB/chargepoint/template/0": {"id": 0, "valid_tags": [MARK], "autolock": {"plans": [MARK]}},
    "openWB/vehicle/1/soc_module/calculated_soc_state": {"manual_soc": None, "last_imported": MARK},
    "openWB/vehicle/template/ev_template/0": {"id": 0, "min_current": 6, "average_consump": MARK},
}


def concrete(topic_filter: str) -> tuple[str, ...]:
    """Some topics that the filter matches, with numbers at the edges of what openWB uses."""
    if topic_filter.endswith("/#"):
        stem = topic_filter.removesuffix("/#")
        return tuple(
            f"{stem}/{rest}" for rest in ("config", "0/config", "0/component/1/config", "lp/1/current", "a/b/c/d")
        )
    return tuple(topic_filter.replace("+", number) for number in ("0", "1", "2", "8", "12"))
