"""Pony's view of the site's tables, alike for MariaDB and SQLite. Defined on a Database by `define`, never at import.

The tables themselves come from `migrations/`; Pony creates none, but refuses to start where a column is missing.
Instants are whole Unix seconds (docs/adr/0002): what Pony and the drivers do to datetimes never matters.
"""

from typing import Any

from pony.orm import Optional, PrimaryKey, Required

from common.store import entities_people


def define(db: Any) -> None:
    """The units and the meaning of NULL stand in `rows.py`."""
    entities_people.define(db)

    class Sample(db.Entity):  # type: ignore[misc]  # Pony has no types
        _table_ = "sample"
        sampled_at = PrimaryKey(int, size=64)
        grid_power_w = Optional(int, size=64)
        grid_imported_wh = Optional(int, size=64)
        grid_exported_wh = Optional(int, size=64)
        pv_power_w = Optional(int, size=64)
        pv_produced_wh = Optional(int, size=64)
        battery_power_w = Optional(int, size=64)
        battery_soc_percent = Optional(int, size=64)
        battery_charged_wh = Optional(int, size=64)
        battery_discharged_wh = Optional(int, size=64)
        home_power_w = Optional(int, size=64)

    class ChargePointSample(db.Entity):  # type: ignore[misc]
        _table_ = "charge_point_sample"
        sampled_at = Required(int, size=64)
        charge_point = Required(str, 16)
        power_w = Optional(int, size=64)
        meter_wh = Optional(int, size=64)
        soc_percent = Optional(int, size=64)
        is_plugged = Optional(bool)
        is_charging = Optional(bool)
        current_a = Optional(float)
        PrimaryKey(sampled_at, charge_point)

    class ChargeSession(db.Entity):  # type: ignore[misc]
        _table_ = "charge_session"
        id = PrimaryKey(int, size=64, auto=True)
        charge_point = Required(str, 16)
        started_at = Required(int, size=64)
        ended_at = Optional(int, size=64)
        charging_s = Required(int, size=64)
        first_charged_at = Optional(int, size=64)
        last_charged_at = Optional(int, size=64)
        meter_start_wh = Optional(int, size=64)
        meter_end_wh = Optional(int, size=64)
        energy_wh = Optional(int, size=64)
        grid_wh = Optional(int, size=64)
        pv_wh = Optional(int, size=64)
        battery_wh = Optional(int, size=64)
        sources_method = Optional(str, 16, nullable=True)
        cost_millicents = Optional(int, size=64)
        cost_method = Optional(str, 16, nullable=True)
        soc_start_percent = Optional(int, size=64)
        soc_end_percent = Optional(int, size=64)
        mode = Optional(str, 16, nullable=True)
        vehicle = Optional(str, 64, nullable=True)
        tag = Optional(str, 64, nullable=True)
        user_name = Optional(str, 64, nullable=True)
        origin = Required(str, 16)
        doubt = Optional(str, 16, nullable=True)
        discharged_wh = Optional(int, size=64)

    class ChargeSegment(db.Entity):  # type: ignore[misc]
        _table_ = "charge_segment"
        session_id = Required(int, size=64)
        started_at = Required(int, size=64)
        ended_at = Optional(int, size=64)
        is_charging = Required(bool)
        mode = Optional(str, 16, nullable=True)
        meter_start_wh = Optional(int, size=64)
        meter_end_wh = Optional(int, size=64)
        grid_wh = Optional(int, size=64)
        pv_wh = Optional(int, size=64)
        battery_wh = Optional(int, size=64)
        cost_millicents = Optional(int, size=64)
        PrimaryKey(session_id, started_at)

    class SessionCorrection(db.Entity):  # type: ignore[misc]
        _table_ = "session_correction"
        id = PrimaryKey(int, size=64, auto=True)
        session_id = Required(int, size=64)
        corrected_at = Required(int, size=64)
        corrected_by = Required(str, 64)
        field = Required(str, 32)
        old_value = Required(str, 255)
        new_value = Required(str, 255)
        reason = Required(str, 255)

    class WallboxLogEntry(db.Entity):  # type: ignore[misc]
        _table_ = "wallbox_log_entry"
        charge_point = Required(str, 16)
        started_at = Required(int, size=64)
        ended_at = Required(int, size=64)
        energy_wh = Required(int, size=64)
        mode = Optional(str, 16, nullable=True)
        vehicle = Optional(str, 64, nullable=True)
        tag = Optional(str, 64, nullable=True)
        read_at = Required(int, size=64)
        session_id = Optional(int, size=64)
        PrimaryKey(charge_point, started_at)

    class User(db.Entity):  # type: ignore[misc]
        _table_ = "user"
        id = PrimaryKey(int, size=64, auto=True)
        name = Required(str, 64)
        name_key = Required(str, 255, unique=True)
        password_hash = Required(str, 255)
        role = Required(str, 16)
        created_at = Required(int, size=64)
        is_disabled = Required(bool)
        totp_secret = Optional(str, 255, nullable=True)
        totp_last_step = Optional(int, size=64)

    class Tag(db.Entity):  # type: ignore[misc]
        _table_ = "tag"
        tag_key = PrimaryKey(str, 64)
        tag = Required(str, 64)
        user_id = Required(int, size=64)
        label = Optional(str, 64, nullable=True)
        created_at = Required(int, size=64)

    class TagLearning(db.Entity):  # type: ignore[misc]
        _table_ = "tag_learning"
        id = PrimaryKey(int, size=64)
        user_id = Required(int, size=64)
        label = Optional(str, 64, nullable=True)
        ends_at = Required(int, size=64)
        learned_tag = Optional(str, 64, nullable=True)

    class Profile(db.Entity):  # type: ignore[misc]
        _table_ = "profile"
        id = PrimaryKey(int, size=64, auto=True)
        name = Required(str, 64)
        user_id = Required(int, size=64)
        tag_key = Optional(str, 64, nullable=True)
        charge_point = Optional(str, 16, nullable=True)
        wishes = Required(str, 255)
        weekdays = Optional(str, 7, nullable=True)
        from_minute = Optional(int, size=64)
        until_minute = Optional(int, size=64)
        expires_at = Optional(int, size=64)
        restores = Required(bool)
        is_enabled = Required(bool)

    class RfidScan(db.Entity):  # type: ignore[misc]
        _table_ = "rfid_scan"
        id = PrimaryKey(int, size=64, auto=True)
        scan_key = Required(str, 32, unique=True)
        scanned_at = Required(int, size=64)
        tag = Required(str, 64)
        charge_point = Optional(str, 16, nullable=True)
        user_id = Optional(int, size=64)
        profile = Optional(str, 64, nullable=True)
        outcome = Required(str, 24)
        detail = Optional(str, 1000, nullable=True)
        commands = Required(str, 2000)
