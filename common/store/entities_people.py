"""Pony's view of the tables about people: devices, second factors, limits, audit. `entities.py` defines them with the
others; the units and the meaning of NULL stand beside the rows of `devices.py`, `second_factor.py` and `audit.py`.
"""

from typing import Any

from pony.orm import Optional, PrimaryKey, Required


def define(db: Any) -> None:
    class UserChargePoint(db.Entity):  # type: ignore[misc]  # Pony has no types
        _table_ = "user_charge_point"
        user_id = Required(int, size=64)
        charge_point = Required(str, 16)
        PrimaryKey(user_id, charge_point)

    class FormerUser(db.Entity):  # type: ignore[misc]
        _table_ = "former_user"
        name_key = PrimaryKey(str, 255)
        name = Required(str, 64)
        user_id = Required(int, size=64)
        deleted_at = Required(int, size=64)

    class Device(db.Entity):  # type: ignore[misc]
        _table_ = "device"
        id = PrimaryKey(str, 32)
        user_id = Required(int, size=64)
        kind = Required(str, 16)
        name = Required(str, 64)
        scopes = Optional(str, 255)
        created_at = Required(int, size=64)
        expires_at = Required(int, size=64)
        seen_at = Required(int, size=64)
        seen_from = Required(str, 64)
        refreshed_at = Optional(int, size=64)
        family_hash = Optional(str, 64, nullable=True, unique=True)
        refresh_hash = Optional(str, 64, nullable=True)
        minted_by = Optional(str, 32, nullable=True)
        previous_hash = Optional(str, 64, nullable=True)
        repeat_proof = Optional(str, 64, nullable=True)

    class TotpEnrolment(db.Entity):  # type: ignore[misc]
        _table_ = "totp_enrolment"
        user_id = PrimaryKey(int, size=64)
        secret = Required(str, 255)
        created_at = Required(int, size=64)

    class RecoveryCode(db.Entity):  # type: ignore[misc]
        _table_ = "recovery_code"
        user_id = Required(int, size=64)
        code_hash = Required(str, 64)
        PrimaryKey(user_id, code_hash)

    class SetupLink(db.Entity):  # type: ignore[misc]
        _table_ = "setup_link"
        secret_hash = PrimaryKey(str, 64)
        expires_at = Required(int, size=64)

    class AuditEntry(db.Entity):  # type: ignore[misc]
        _table_ = "audit"
        id = PrimaryKey(int, size=64, auto=True)
        happened_at = Required(int, size=64)
        user_name = Optional(str, 64, nullable=True)
        device_id = Optional(str, 32, nullable=True)
        device_name = Optional(str, 64, nullable=True)
        origin = Required(str, 8)
        address = Optional(str, 64)
        action = Required(str, 40)
        subject = Optional(str, 128, nullable=True)
        old_value = Optional(str, 1000, nullable=True)
        new_value = Optional(str, 1000, nullable=True)
        result = Required(str, 40)
