"""Who may do what, from where: the one table. A route that is not in it answers nobody.

Pure: the guard (handlers/guard.py) finds out who asks and from where, this module decides. docs/security.md prints the
table, and a test compares the two; another test fails for a route that is missing here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from api.errors import ElevationRequired, LoginRequired, NotAllowed, NotFromHere


class Origin(StrEnum):
    """Which listener accepted the connection: the site's own network, or the relay through the edge's tunnel."""

    LAN = "lan"
    RELAY = "relay"


class Role(StrEnum):
    VIEWER = "viewer"
    DRIVER = "driver"
    ADMIN = "admin"


EVERYBODY = frozenset(Role)
DRIVERS = frozenset({Role.DRIVER, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})
ANYWHERE = frozenset(Origin)
LAN_ONLY = frozenset({Origin.LAN})
EDGE_ONLY = frozenset({Origin.RELAY})
"""The edge's own socket, on paths that it forwards for nobody (edge/dispatch.py)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`roles` None means that no login is needed. `takes_ticket`: a one-time `?ticket=` does in place of a token."""

    roles: frozenset[Role] | None = EVERYBODY
    origins: frozenset[Origin] = ANYWHERE
    needs_elevation: bool = False
    takes_ticket: bool = False


WITHOUT_LOGIN = Rule(roles=None)
LOGGED_IN = Rule()

RULES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/healthz"): WITHOUT_LOGIN,
    ("GET", "/readyz"): WITHOUT_LOGIN,
    ("GET", "/openapi.json"): Rule(takes_ticket=True),
    ("GET", "/docs"): Rule(takes_ticket=True),
    ("POST", "/api/v1/auth/login"): WITHOUT_LOGIN,
    ("POST", "/api/v1/auth/ticket"): LOGGED_IN,
    ("POST", "/api/v1/auth/elevate"): Rule(roles=ADMINS),
    ("GET", "/api/v1/me"): LOGGED_IN,
    ("GET", "/api/v1/site"): LOGGED_IN,
    ("GET", "/api/v1/state"): LOGGED_IN,
    ("GET", "/api/v1/chargepoints"): LOGGED_IN,
    ("GET", "/api/v1/chargepoints/{id}"): LOGGED_IN,
    ("PATCH", "/api/v1/chargepoints/{id}"): Rule(roles=DRIVERS),
    ("POST", "/api/v1/chargepoints/{id}/reset-energy"): Rule(roles=DRIVERS),
    ("PUT", "/api/v1/charge-mode"): Rule(roles=DRIVERS),
    ("GET", "/api/v1/commands/{id}"): LOGGED_IN,
    ("GET", "/api/v1/history"): LOGGED_IN,
    ("GET", "/api/v1/statistics"): LOGGED_IN,
    ("GET", "/api/v1/statistics/sessions"): Rule(roles=DRIVERS),  # drivers: of their own sessions
    ("GET", "/api/v1/statistics/reconciliation"): Rule(roles=ADMINS),
    ("GET", "/api/v1/sessions"): LOGGED_IN,
    ("GET", "/api/v1/sessions/{id}"): LOGGED_IN,
    ("PATCH", "/api/v1/sessions/{id}"): Rule(roles=ADMINS, needs_elevation=True),
    ("GET", "/api/v1/sessions.csv"): Rule(takes_ticket=True),
    ("GET", "/api/v1/sessions.xlsx"): Rule(takes_ticket=True),
    ("GET", "/api/v1/sessions.pdf"): Rule(takes_ticket=True),
    ("GET", "/api/v1/live"): Rule(takes_ticket=True),
    ("GET", "/internal/token-key"): Rule(roles=None, origins=EDGE_ONLY),
    ("GET", "/api/v1/admin/topics"): Rule(roles=ADMINS, origins=LAN_ONLY, needs_elevation=True),
}
"""(method, path) → rule. A HEAD is asked for as a GET."""

WISHES: Mapping[str, frozenset[Role]] = {
    "mode": DRIVERS,
    "current_a": DRIVERS,
    "limit": DRIVERS,
    "is_enabled": DRIVERS,
    "vehicle": DRIVERS,
    "soc_percent": DRIVERS,
    "reset_energy": DRIVERS,
    "pv_min_current_a": ADMINS,
    "min_pv_current_a": ADMINS,
    "max_price_per_kwh": ADMINS,
    "phases": ADMINS,
}
"""wish of a command → who may have it. A driver decides on a charge, an admin on how the house charges.

None needs elevation: what is wished can be wished back, and a phone must be able to stop a charge at once.
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `role` None means that nobody is logged in."""

    role: Role | None
    origin: Origin
    is_elevated: bool = False


def decide(rule: Rule | None, caller: Caller) -> None:
    """Return if `caller` may pass; raises the error that says what is missing. No rule: nobody may."""
    if rule is None:
        raise NotAllowed("this is not open to anybody")
    if caller.origin not in rule.origins:
        raise NotFromHere("this answers on the site's own network only")
    if rule.roles is None:
        return
    if caller.role is None:
        raise LoginRequired("log in first")
    if caller.role not in rule.roles:
        raise NotAllowed("your role does not allow this")
    if rule.needs_elevation and not caller.is_elevated:
        raise ElevationRequired("enter a code of your authenticator app first")


def decide_wishes(wishes: Iterable[str], role: Role) -> None:
    """Return if `role` may have all of these; raises NotAllowed, naming the others."""
    refused = [wish for wish in wishes if role not in WISHES.get(wish, frozenset())]
    if refused:
        raise NotAllowed(f"your role does not allow {', '.join(refused)}")


def wish_table() -> str:
    """The wishes as the Markdown table of docs/security.md."""
    lines = ["| wish | roles |", "|---|---|"]
    lines += [f"| `{wish}` | {', '.join(role for role in Role if role in roles)} |" for wish, roles in WISHES.items()]
    return "\n".join(lines)


def table() -> str:
    """The rules as the Markdown table of docs/security.md."""
    lines = ["| request | roles | from | elevation |", "|---|---|---|---|"]
    for (method, path), rule in RULES.items():
        roles = "no login" if rule.roles is None else ", ".join(role for role in Role if role in rule.roles)
        origins = ", ".join(origin for origin in Origin if origin in rule.origins)
        ticket = ", or a ticket" if rule.takes_ticket else ""
        lines.append(f"| `{method} {path}` | {roles}{ticket} | {origins} | {'yes' if rule.needs_elevation else '–'} |")
    return "\n".join(lines)
