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
    "openWB/system/device/+/config",
    "openWB/system/device/module_update_completed",
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
    "openWB/system/device/0/component/4/config": {
        "id": 4,
        "type": "counter",
        "name": "Werkstatt",
        "configuration": {"ip_address": MARK, "password": MARK},
        "info": {"manufacturer": MARK},
    },
    "openWB/vehicle/1/soc_module/calculated_soc_state": {"manual_soc": None, "last_imported": MARK},
    "openWB/vehicle/template/ev_template/0": {"id": 0, "min_current": 6, "average_consump": MARK},
}


PLANTED: Mapping[str, tuple[str, ...]] = {
    # as openWB 2.x and its libraries write it into accounts of faults: the sentence, and what must not be seen of it
    "Die Verbindung zum Server http://hugo:geheim7@wr-sued.fritz.box:8080/solar/?apikey=Ab3dE9xQ ist fehlgeschlagen.": (
        *("hugo", "geheim7", "fritz", "8080", "solar", "Ab3dE9xQ"),
    ),
    "HTTP 404: Unbekannter Fehler an Host https://api.example.org/v2/Zx81kQ/live?token=tok-77-x#a": (
        *("example", "Zx81kQ", "tok-77"),
    ),
    "HTTPSConnectionPool(host='192.168.178.31', port=443): Max retries exceeded with url: /cgi/Zx81kQ/get?pw=geheim7": (
        *("192.168", "Zx81kQ", "geheim7"),
    ),
    "Failed to connect[ModbusTcpClient(192.168.178.31:1502)], fe80::1ff:fe23:4567:890a%eth0, [2001:db8::5]:80": (
        *("192.168", "1502", "fe80", "890a", "2001"),
    ),
    "modbus inverter-west:502 nicht erreichbar, auch nicht pv.local. und 10.1.2.3, DC:A6:32:01:02:03": (
        *("inverter-west", "502", "pv.local", "10.1.2", "A6:32"),
    ),
    'login failed for hugo@example.org: {"access_token": "geheim7", "refresh": "Zx81kQ"} (pw=geheim7, pin: 4711)': (
        *("hugo", "example", "geheim7", "Zx81kQ", "4711"),
    ),
    "Anmeldung mit Passwort 'geheim 7' und Token \"Zx 81kQ\" falsch. Authorization: Bearer Zx81.kQ, Basic aHVnbzpn": (
        *("geheim", "81kQ", "Zx81", "aHVnbzpn"),
    ),
    "VIN WVWZZZAUZHP123456 not found in ['WVWZZZAUZHP654321', 'TMBJJ7NE8G0123456'], key eyJhbGciOi.eyJzdWIi.c2ln": (
        *("WVWZZZ", "TMBJJ", "eyJ", "c2ln"),
    ),
    "<a href='http://hugo:geheim7@10.1.2.3/'>hier</a> hugo&#64;example.org http%3A%2F%2Fhugo%3Ageheim7%40pv": (
        *("hugo", "geheim7", "10.1.2", "example"),
    ),
    # other ways to name a value
    "Fehler: db_pass: geheim7; PW -> hugo13 und pass == wolke9 (auth=('egon5', 'tanne4'))": (
        *("geheim7", "hugo13", "wolke9", "egon5", "tanne4"),
    ),
    "Kennwort »geheim7« falsch, Passwort ‘hugo13’ auch, Token `wolke9`, password := egon5, secret =>    tanne4": (
        *("geheim7", "hugo13", "wolke9", "egon5", "tanne4"),
    ),
}


def concrete(topic_filter: str) -> tuple[str, ...]:
    """Some topics that the filter matches, with numbers at the edges of what openWB uses."""
    if topic_filter.endswith("/#"):
        stem = topic_filter.removesuffix("/#")
        return tuple(
            f"{stem}/{rest}" for rest in ("config", "0/config", "0/component/1/config", "lp/1/current", "a/b/c/d")
        )
    return tuple(topic_filter.replace("+", number) for number in ("0", "1", "2", "8", "12"))
