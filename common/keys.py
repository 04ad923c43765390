"""Every Redis key and stream, one function each, with its shape.

Nobody else writes a key's name. The edge writes the keys of the site and the api reads them; commands go the other
way, from the api's stream to the edge.
"""

CHANGES_KEPT = 10_000
"""Entries the change stream keeps: at about one a second, two to three hours in which a client can resume."""

EDGE_HEALTH_TTL_S = 15
"""An edge that did not renew its health for this long counts as gone (it renews every 5 s)."""


def mirror() -> str:
    """Hash: MQTT topic → what may be seen of its payload (text, at most 64 KiB). Allow-listed topics only.

    Texts stand here without addresses and secrets, objects with the members that the edge reads."""
    return "wallport:mirror"


def state() -> str:
    """String: JSON of `common.model.Snapshot`, replaced as a whole."""
    return "wallport:state"


def changes() -> str:
    """Stream, id `{seq}-0`; about CHANGES_KEPT entries, all written by the edge's mirror loop, which owns `seq`.

    An entry has one field: `d`, JSON of `{"changes": {path: value}, "occurred_at": Unix seconds}`, or `e`, JSON of an
    event that changed no value, with its `type` and `occurred_at`: `{"type": "command", "record":
    common.commands.CommandRecord, …}`, or the members of a `common.live_events` class.
    """
    return "wallport:changes"


def commands() -> str:
    """Stream of the api, ids by Redis: field `d`, JSON of `common.commands.Command`; about COMMANDS_KEPT entries."""
    return "wallport:commands"


def command(command_id: str) -> str:
    """String with a TTL of RECORD_KEPT_S: JSON of `common.commands.CommandRecord`.

    The api writes the first one, in the transaction that appends the command; the edge every later one.
    """
    return f"wallport:command:{command_id}"


def idempotency(user: str, key: str) -> str:
    """String with a TTL of RECORD_KEPT_S: the id of the command that this user's `Idempotency-Key` made."""
    return f"wallport:idempotency:{len(user)}:{user}:{key}"


def edge_health() -> str:
    """String with a TTL of EDGE_HEALTH_TTL_S: JSON of `common.model.EdgeHealth`."""
    return "wallport:edge:health"


def relay_site(site_id: str) -> str:
    """Hash of the relay: `fence` (int, grows with each connection by the key with the id `fence_key`, and begins anew
    with another), `online_since`, `last_seen_at`, `offline_since`, `rtt_s`, `rival_at` (two edges with one identity).
    """
    return f"wallport:relay:site:{site_id}"


def relay_nodes() -> str:
    """Hash of the relay: each process that takes tunnels → when it was last there, Unix seconds."""
    return "wallport:relay:nodes"
