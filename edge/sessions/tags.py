"""Which session a scanned tag belongs to.

A wallbox lets people hold the tag to the reader before or after they plug in, and keeps an unused tag for five minutes
(both generations); the same bound is used here in both directions.
"""

from edge.sessions.state import MachineState, Scan, Session, WaitingScan

SCAN_S = 300.0
"""Between scan and plug-in, in either order: what openWB allows, so its own log names the same tag."""

MOST_WAITING = 20
"""Scans that belong to nobody yet, the newest; people scan a few times, not twenty times in five minutes."""

LONGEST_TAG = 64  # characters; what the store has room for. Cards have at most 20.


def take(state: MachineState, scan: Scan) -> str | None:
    """Give a scan to the session it belongs to, else let it wait for a plug-in; answers the session's charge point.

    A scan at a charge point is that session's if it has no tag, or if no energy has flowed yet (then the wallbox, too,
    takes another tag); a scan without a place is that of the charge point where a car was plugged in last, if that was
    just now and it has no tag.
    """
    tag = scan.tag.strip()[:LONGEST_TAG]
    if not tag:
        return None
    running = {name: point.session for name, point in state.points.items() if point.session is not None}
    if scan.charge_point is not None:
        session = running.get(scan.charge_point)
        if session is not None and (session.tag is None or not _has_charged(session)):
            session.tag = tag
            return scan.charge_point
        if session is not None:
            return None
    else:
        for name, session in sorted(running.items(), key=lambda item: -item[1].started_at):
            if session.tag is None and abs(scan.scanned_at - session.started_at) <= SCAN_S:
                session.tag = tag
                return name
    waiting = WaitingScan(tag=tag, scanned_at=scan.scanned_at, charge_point=scan.charge_point)
    state.scans = [*state.scans, waiting][-MOST_WAITING:]
    return None


def claim(state: MachineState, charge_point: str, session: Session) -> None:
    """Give a new session the newest scan that waits for it; scans that waited too long are dropped."""
    state.scans = [scan for scan in state.scans if abs(session.started_at - scan.scanned_at) <= SCAN_S]
    fitting = [scan for scan in state.scans if scan.charge_point in (None, charge_point)]
    if not fitting:
        return
    # A place says more than an instant.
    chosen = max(reversed(fitting), key=lambda scan: (scan.charge_point is not None, scan.scanned_at))
    session.tag = chosen.tag
    state.scans = [scan for scan in state.scans if scan not in fitting]


def _has_charged(session: Session) -> bool:
    return any(segment.parts.all_wh for segment in session.segments)
