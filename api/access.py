"""Who may do what, from where: the one table. A route that is not in it answers nobody.

Pure: the guard (handlers/guard.py) finds out who asks and from where, this module decides. docs/security.md prints the
table, and a test compares the two; another test fails for a route that is missing here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from api.errors import CodeRequired, ElevationRequired, LoginRequired, NotAllowed, NotFromHere, TotpRequired


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
READABLE = frozenset({Origin.RELAY})
"""Where somebody between phone and site reads what passes, and can send on what they read."""
UNREADABLE = ANYWHERE - READABLE
EDGE_ONLY = frozenset({Origin.RELAY})
"""The edge's own socket, on paths that it forwards for nobody (edge/dispatch.py)."""


class Scope(StrEnum):
    """What a token may be used for, within what its user may do. A login has all of them."""

    READ = "read"
    CONTROL = "control"
    LEGACY = "legacy"  # the routes of the existing app
    ACCOUNT = "account"  # one's own password, devices, tokens and second factor
    ADMIN = "admin"


LOGIN_SCOPES = frozenset(Scope)
TOKEN_SCOPES = frozenset({Scope.READ, Scope.CONTROL})
"""What an API token can be given: never what could make another login of it."""
LEGACY_SCOPES = frozenset({Scope.LEGACY})


class Limited(StrEnum):
    """What a route is to a user who is limited to some charge points."""

    REFUSED = "no"  # it has not learned to keep the other charge points to itself
    FILTERED = "own charge points"  # it shows and takes theirs alone: handlers ask api.ports.sight_of
    UNAFFECTED = "yes"  # it is not about charge points


@dataclass(frozen=True, slots=True)
class Rule:
    """`roles` None means that no login is needed. `takes_ticket`: a one-time `?ticket=` does in place of a token.

    `scope` None: reading by GET, else what only a login has; what only admins may, or needs elevation, is ADMIN.
    `before_totp`: an admin without a second factor may do this through the relay, and nothing else.
    `is_export`: it is audited though it only reads.
    `is_keys`: it mints or changes credentials, so whoever reads what passes would have them: see `decide`.
    `asks_again`: the handler asks for the password, or for elevation of a user who has a second factor
    (handlers/proof.py); a token alone must not become another one that lives longer.
    """

    roles: frozenset[Role] | None = EVERYBODY
    origins: frozenset[Origin] = ANYWHERE
    needs_elevation: bool = False
    takes_ticket: bool = False
    scope: Scope | None = None
    limited: Limited = Limited.REFUSED
    before_totp: bool = False
    is_keys: bool = False
    is_export: bool = False
    asks_again: bool = False


WITHOUT_LOGIN = Rule(roles=None)
LOGGED_IN = Rule(limited=Limited.UNAFFECTED)
OWN_CHARGE_POINTS = Rule(limited=Limited.FILTERED)
EXPORTS = replace(OWN_CHARGE_POINTS, takes_ticket=True, is_export=True)
CONTROLS = Rule(roles=DRIVERS, scope=Scope.CONTROL, limited=Limited.FILTERED)
ACCOUNT = Rule(scope=Scope.ACCOUNT, limited=Limited.UNAFFECTED)
KEYS = replace(ACCOUNT, is_keys=True)
MINTS = replace(KEYS, asks_again=True)
LEGACY = Rule(scope=Scope.LEGACY)
OWN_CARDS = Rule(roles=DRIVERS, scope=Scope.ACCOUNT, limited=Limited.UNAFFECTED)
OWN_PROFILES = Rule(roles=DRIVERS, scope=Scope.ACCOUNT, limited=Limited.FILTERED)
ADMIN_READS = Rule(roles=ADMINS, limited=Limited.UNAFFECTED)
ADMIN_ACTS = Rule(roles=ADMINS, needs_elevation=True, limited=Limited.UNAFFECTED)
ADMIN_KEYS = replace(ADMIN_ACTS, is_keys=True)

_LEGACY_CALLS: Mapping[tuple[str, str], Rule] = {
    ("POST", "login"): WITHOUT_LOGIN,
    ("GET", "values"): LEGACY,
    ("GET", "lademodus"): LEGACY,
    ("GET", "ladelog"): LEGACY,
    ("GET", "user/{who}"): LEGACY,
    ("PATCH", "user/{who}"): LEGACY,
    ("GET", "user/all"): replace(LEGACY, roles=ADMINS),
}
"""What the existing app calls. It puts these names behind whatever was typed, also `…/api` without a slash."""

RULES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/"): WITHOUT_LOGIN,
    ("GET", "/sw.js"): WITHOUT_LOGIN,
    ("GET", "/assets/{file}"): WITHOUT_LOGIN,
    ("GET", "/healthz"): WITHOUT_LOGIN,
    ("GET", "/readyz"): WITHOUT_LOGIN,
    ("GET", "/openapi.json"): WITHOUT_LOGIN,  # the same at every site, and in the source; strangers stop at the relay
    ("GET", "/openapi-legacy.json"): WITHOUT_LOGIN,
    ("GET", "/docs"): WITHOUT_LOGIN,
    ("GET", "/setup"): Rule(roles=None, origins=LAN_ONLY),
    ("POST", "/api/v1/auth/login"): WITHOUT_LOGIN,
    ("POST", "/api/v1/auth/refresh"): WITHOUT_LOGIN,
    ("POST", "/api/v1/auth/pair"): WITHOUT_LOGIN,
    ("POST", "/api/v1/auth/setup"): Rule(roles=None, origins=LAN_ONLY),
    ("POST", "/api/v1/auth/logout"): replace(ACCOUNT, before_totp=True),
    ("POST", "/api/v1/auth/pairing"): MINTS,
    ("POST", "/api/v1/auth/ticket"): replace(LOGGED_IN, scope=Scope.READ),
    ("POST", "/api/v1/auth/elevate"): replace(ACCOUNT, origins=UNREADABLE),
    ("GET", "/api/v1/me"): replace(LOGGED_IN, before_totp=True),
    ("PUT", "/api/v1/me/password"): ACCOUNT,
    ("POST", "/api/v1/me/totp"): MINTS,
    ("POST", "/api/v1/me/totp/confirm"): KEYS,
    ("POST", "/api/v1/me/totp/recovery-codes"): replace(KEYS, needs_elevation=True),
    ("DELETE", "/api/v1/me/totp"): replace(KEYS, needs_elevation=True),
    ("GET", "/api/v1/me/devices"): ACCOUNT,
    ("PATCH", "/api/v1/me/devices/{id}"): ACCOUNT,
    ("DELETE", "/api/v1/me/devices/{id}"): ACCOUNT,
    ("GET", "/api/v1/me/api-tokens"): ACCOUNT,
    ("POST", "/api/v1/me/api-tokens"): MINTS,
    ("DELETE", "/api/v1/me/api-tokens/{id}"): ACCOUNT,
    ("GET", "/api/v1/users"): ADMIN_READS,
    ("POST", "/api/v1/users"): ADMIN_KEYS,
    ("GET", "/api/v1/users/{name}"): ADMIN_READS,
    ("PATCH", "/api/v1/users/{name}"): ADMIN_KEYS,
    ("DELETE", "/api/v1/users/{name}"): ADMIN_KEYS,
    ("DELETE", "/api/v1/users/{name}/totp"): ADMIN_KEYS,
    ("GET", "/api/v1/site"): OWN_CHARGE_POINTS,
    ("GET", "/api/v1/state"): OWN_CHARGE_POINTS,
    ("GET", "/api/v1/chargepoints"): OWN_CHARGE_POINTS,
    ("GET", "/api/v1/chargepoints/{id}"): OWN_CHARGE_POINTS,
    ("PATCH", "/api/v1/chargepoints/{id}"): CONTROLS,
    ("POST", "/api/v1/chargepoints/{id}/reset-energy"): CONTROLS,
    ("PUT", "/api/v1/charge-mode"): CONTROLS,
    ("GET", "/api/v1/commands/{id}"): OWN_CHARGE_POINTS,
    ("GET", "/api/v1/history"): OWN_CHARGE_POINTS,
    ("GET", "/api/v1/history.csv"): replace(OWN_CHARGE_POINTS, takes_ticket=True),
    ("GET", "/api/v1/statistics"): Rule(),
    ("GET", "/api/v1/statistics/sessions"): replace(OWN_CHARGE_POINTS, roles=DRIVERS),  # drivers: of their own sessions
    ("GET", "/api/v1/statistics/reconciliation"): ADMIN_READS,
    ("GET", "/api/v1/sessions"): OWN_CHARGE_POINTS,
    ("GET", "/api/v1/sessions/{id}"): OWN_CHARGE_POINTS,
    ("PATCH", "/api/v1/sessions/{id}"): ADMIN_ACTS,
    ("GET", "/api/v1/sessions.csv"): EXPORTS,
    ("GET", "/api/v1/sessions.xlsx"): EXPORTS,
    ("GET", "/api/v1/sessions.pdf"): EXPORTS,
    ("GET", "/api/v1/live"): Rule(takes_ticket=True, limited=Limited.FILTERED),
    ("GET", "/api/v1/users/{name}/tags"): OWN_CARDS,
    ("POST", "/api/v1/users/{name}/tags"): OWN_CARDS,
    ("DELETE", "/api/v1/users/{name}/tags/{tag}"): OWN_CARDS,
    ("GET", "/api/v1/users/{name}/tags/learn"): OWN_CARDS,
    ("POST", "/api/v1/users/{name}/tags/learn"): OWN_CARDS,
    ("DELETE", "/api/v1/users/{name}/tags/learn"): OWN_CARDS,
    ("GET", "/api/v1/profiles"): OWN_PROFILES,
    ("POST", "/api/v1/profiles"): OWN_PROFILES,
    ("POST", "/api/v1/profiles/dry-run"): OWN_PROFILES,
    ("GET", "/api/v1/profiles/{id}"): OWN_PROFILES,
    ("PUT", "/api/v1/profiles/{id}"): OWN_PROFILES,
    ("DELETE", "/api/v1/profiles/{id}"): OWN_PROFILES,
    ("GET", "/api/v1/rfid/scans"): OWN_PROFILES,
    **{(method, f"/api{slash}{name}"): rule for slash in ("/", "") for (method, name), rule in _LEGACY_CALLS.items()},
    ("POST", "/api/lademodus/{mode}"): replace(LEGACY, roles=DRIVERS),
    ("PATCH", "/api/user"): replace(LEGACY, roles=ADMINS, needs_elevation=True, is_keys=True),
    ("GET", "/api/globals"): LEGACY,
    ("GET", "/api/verbrauch"): LEGACY,
    ("GET", "/api/details/globals"): LEGACY,
    ("GET", "/api/details/ladepunkt"): LEGACY,
    ("GET", "/api/details/verbrauch"): LEGACY,
    ("GET", "/api/raw/keys"): replace(LEGACY, roles=ADMINS, origins=LAN_ONLY, needs_elevation=True),
    ("GET", "/api/raw/rest"): replace(LEGACY, roles=ADMINS, origins=LAN_ONLY, needs_elevation=True),
    ("GET", "/internal/token-key"): Rule(roles=None, origins=EDGE_ONLY),
    ("GET", "/api/v1/admin/topics"): replace(ADMIN_ACTS, origins=LAN_ONLY),
    ("GET", "/api/v1/admin/audit"): ADMIN_ACTS,
    ("GET", "/api/v1/admin/audit.csv"): replace(ADMIN_ACTS, is_export=True),
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
    """Who asks. `role` None means that nobody is logged in; `scopes` are those of the token.

    `is_elevated`: they entered a code lately, or the request brings one, which the guard then judges.
    `may_use_keys`: the site's owner lets credentials be made through a readable relay.
    """

    role: Role | None
    origin: Origin
    is_elevated: bool = False
    may_use_keys: bool = False
    has_totp: bool = True
    is_limited: bool = False
    scopes: frozenset[Scope] = LOGIN_SCOPES


def scope_of(method: str, rule: Rule) -> Scope:
    """The scope that a token needs for a route. What nobody thought about stays closed to API tokens."""
    if rule.scope is not None:
        return rule.scope
    if rule.roles == ADMINS or rule.needs_elevation:
        return Scope.ADMIN
    return Scope.READ if method == "GET" else Scope.ACCOUNT


def is_paced(method: str, rule: Rule) -> bool:
    """Whether each request is a change or an export, of which one user makes so many a minute; commands have a bound of
    their own (api/control.py), and what needs no login others."""
    return rule.roles is not None and rule.scope is not Scope.CONTROL and (method != "GET" or rule.is_export)


def decide(method: str, rule: Rule | None, caller: Caller) -> None:
    """Return if `caller` may pass; raises the error that says what is missing. No rule: nobody may."""
    if rule is None:
        raise NotAllowed("this is not open to anybody")
    if caller.origin not in rule.origins:
        raise NotFromHere("this answers on the site's own network only")
    if rule.is_keys and caller.origin in READABLE and not caller.may_use_keys:
        raise NotFromHere("what makes or changes credentials answers on the site's own network only")
    if rule.roles is None:
        return
    if caller.role is None:
        raise LoginRequired("log in first")
    if caller.role not in rule.roles:
        raise NotAllowed("your role does not allow this")
    if scope_of(method, rule) not in caller.scopes:
        raise NotAllowed("this token is not meant for that; log in with name and password")
    if caller.is_limited and rule.limited is Limited.REFUSED:
        raise NotAllowed("your charge points do not include all that this tells")
    if caller.role is Role.ADMIN and caller.origin in READABLE and not caller.has_totp and not rule.before_totp:
        raise TotpRequired("through the relay an admin needs an authenticator app: open /setup at home")
    if rule.needs_elevation:
        decide_elevation(caller)


def decide_elevation(caller: Caller) -> None:
    """Return if `caller` may do what needs elevation; raises the error that says which code, where."""
    if not caller.has_totp:
        raise TotpRequired("this needs an authenticator app: open /setup at home, or use POST me/totp there")
    if not caller.is_elevated and caller.origin in READABLE:
        raise CodeRequired("send a fresh code of your authenticator app with this request, as Wallport-Code")
    if not caller.is_elevated:
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
    lines = [
        "| request | roles | from | keys | elevation | token scope | limited users |",
        "|---|---|---|---|---|---|---|",
    ]
    for (method, path), rule in RULES.items():
        roles = "no login" if rule.roles is None else ", ".join(role for role in Role if role in rule.roles)
        origins = ", ".join(origin for origin in Origin if origin in rule.origins)
        ticket = ", or a ticket" if rule.takes_ticket else ""
        keys = "yes" if rule.is_keys else "–"
        elevation = "yes" if rule.needs_elevation else "or password" if rule.asks_again else "–"
        elevation += ", before" if rule.before_totp else ""
        scope, limited = ("–", "–") if rule.roles is None else (scope_of(method, rule).value, rule.limited.value)
        lines.append(
            f"| `{method} {path}` | {roles}{ticket} | {origins} | {keys} | {elevation} | {scope} | {limited} |"
        )
    return "\n".join(lines)
