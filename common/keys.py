"""Every Redis key and stream, one function each, with its shape.

Nobody else writes a key's name. The edge writes all keys of the site; the api reads them.
"""

CHANGES_KEPT = 10_000
"""Entries the change stream keeps: at about one a second, two to three hours in which a client can resume."""

EDGE_HEALTH_TTL_S = 15
"""An edge that did not renew its health for this long counts as gone (it renews every 5 s)."""


def mirror() -> str:
    """Hash: MQTT topic → payload as received (text, at most 64 KiB). Allow-listed topics only."""
    return "wallport:mirror"


def state() -> str:
    """String: JSON of `common.model.Snapshot`, replaced as a whole."""
    return "wallport:state"


def changes() -> str:
    """Stream, id `{seq}-0`, one field `d`: JSON of `{"changes": {path: value}}`; about CHANGES_KEPT entries."""
    return "wallport:changes"


def edge_health() -> str:
    """String with a TTL of EDGE_HEALTH_TTL_S: JSON of `common.model.EdgeHealth`."""
    return "wallport:edge:health"


def relay_site(site_id: str) -> str:
    """Hash of the relay: `fence` (int, grows with each connection), `online_since`, `last_seen_at`, `offline_since`."""
    return f"wallport:relay:site:{site_id}"
