"""The life of one stream, as a table.

`TRANSITIONS` says which frame each end may send in which state, and what follows; what is not in it is a protocol
error. Both ends use the same table: the sender is part of the key. `diagram()` draws it for docs/protocol.md.
"""

from collections.abc import Mapping
from enum import Enum


class Role(Enum):
    __hash__ = object.__hash__  # see State

    EDGE = "edge"
    RELAY = "relay"

    @property
    def peer(self) -> "Role":
        return Role.RELAY if self is Role.EDGE else Role.EDGE


class State(Enum):
    __hash__ = object.__hash__  # members are single; an Enum's own hash is Python code, and each frame is looked up

    IDLE = "idle"
    REQUESTING = "requesting"  # body of the request comes, no answer yet
    AWAITING = "awaiting"  # request whole, no answer yet
    ANSWERING = "answering"  # bodies both ways
    RESPONDING = "responding"  # body of the answer only
    UPGRADING = "upgrading"  # websocket asked for
    MESSAGING = "messaging"  # websocket open both ways
    RELAY_LEFT = "relay_left"  # the relay sent WSCLOSE, the edge not yet
    EDGE_LEFT = "edge_left"  # the other way round
    CLOSED = "closed"


class Step(Enum):
    """A frame as the state sees it."""

    __hash__ = object.__hash__

    OPEN = "OPEN"
    OPEN_END = "OPEN+END"
    OPEN_WEBSOCKET = "OPEN websocket"
    HEADERS = "HEADERS"
    HEADERS_END = "HEADERS+END"
    SWITCH = "HEADERS 101"
    DATA = "DATA"
    DATA_END = "DATA+END"
    MSG = "MSG"
    WSCLOSE = "WSCLOSE"
    RESET = "RESET"


_EDGE, _RELAY = Role.EDGE, Role.RELAY
_LIVING = [state for state in State if state not in (State.IDLE, State.CLOSED)]

TRANSITIONS: Mapping[tuple[State, Role, Step], State] = {
    (State.IDLE, _RELAY, Step.OPEN): State.REQUESTING,
    (State.IDLE, _RELAY, Step.OPEN_END): State.AWAITING,
    (State.IDLE, _RELAY, Step.OPEN_WEBSOCKET): State.UPGRADING,
    (State.REQUESTING, _RELAY, Step.DATA): State.REQUESTING,
    (State.REQUESTING, _RELAY, Step.DATA_END): State.AWAITING,
    (State.REQUESTING, _EDGE, Step.HEADERS): State.ANSWERING,
    (State.REQUESTING, _EDGE, Step.HEADERS_END): State.CLOSED,
    (State.AWAITING, _EDGE, Step.HEADERS): State.RESPONDING,
    (State.AWAITING, _EDGE, Step.HEADERS_END): State.CLOSED,
    (State.ANSWERING, _RELAY, Step.DATA): State.ANSWERING,
    (State.ANSWERING, _RELAY, Step.DATA_END): State.RESPONDING,
    (State.ANSWERING, _EDGE, Step.DATA): State.ANSWERING,
    (State.ANSWERING, _EDGE, Step.DATA_END): State.CLOSED,
    (State.RESPONDING, _EDGE, Step.DATA): State.RESPONDING,
    (State.RESPONDING, _EDGE, Step.DATA_END): State.CLOSED,
    (State.UPGRADING, _EDGE, Step.SWITCH): State.MESSAGING,
    (State.UPGRADING, _EDGE, Step.HEADERS): State.RESPONDING,
    (State.UPGRADING, _EDGE, Step.HEADERS_END): State.CLOSED,
    (State.MESSAGING, _RELAY, Step.MSG): State.MESSAGING,
    (State.MESSAGING, _EDGE, Step.MSG): State.MESSAGING,
    (State.MESSAGING, _RELAY, Step.WSCLOSE): State.RELAY_LEFT,
    (State.MESSAGING, _EDGE, Step.WSCLOSE): State.EDGE_LEFT,
    (State.RELAY_LEFT, _EDGE, Step.MSG): State.RELAY_LEFT,
    (State.RELAY_LEFT, _EDGE, Step.WSCLOSE): State.CLOSED,
    (State.EDGE_LEFT, _RELAY, Step.MSG): State.EDGE_LEFT,
    (State.EDGE_LEFT, _RELAY, Step.WSCLOSE): State.CLOSED,
} | {(state, role, Step.RESET): State.CLOSED for state in _LIVING for role in Role}


def diagram() -> str:
    """The table as a mermaid state diagram; RESET, which closes from everywhere, is drawn once."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    for (state, role, step), following in TRANSITIONS.items():
        if step is not Step.RESET:
            lines.append(f"    {state.value} --> {following.value}: {role.value} {step.value}")
    lines += [
        "    note right of closed: RESET from either end leads here from every state but idle",
        "    closed --> [*]",
    ]
    return "\n".join(lines)
