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
    just now and it has no tag. Of a session whose car is away just now nobody knows whether it is its own. Another card
    just after the plug flapped says that another car came.
    """
    tag = scan.tag.strip()[:LONGEST_TAG]
    if not tag:
        return None
    waiting = WaitingScan(tag=tag, scanned_at=scan.scanned_at, charge_point=scan.charge_point)
    running = {name: point.session for name, point in state.points.items() if point.session is not None}
    here = {name: session for name, session in running.items() if state.points[name].absent_since is None}
    if scan.charge_point in here:
        session = here[scan.charge_point]
        if session.tag is None or not _has_charged(session):
            session.tag = tag
            return scan.charge_point
        if not _is_others(session, waiting):
            return None
        _note_other(session)
    elif scan.charge_point is None:
        for name, session in sorted(here.items(), key=lambda item: -item[1].started_at):
            if session.tag is None and abs(scan.scanned_at - session.started_at) <= SCAN_S:
                session.tag = tag
                return name
        for session in here.values():
            if len(state.points) == 1 and _is_others(session, waiting):
                _note_other(session)
    state.scans = [*state.scans, waiting][-MOST_WAITING:]
    return None


def claim_after_flap(state: MachineState, charge_point: str, session: Session) -> None:
    """The plug is back: what was scanned while it was away is the session's, or says that another car came."""
    is_only = len(state.points) == 1
    fitting = [
        scan for scan in state.scans if scan.charge_point == charge_point or (scan.charge_point is None and is_only)
    ]
    if not fitting:
        return
    scan = max(fitting, key=lambda scan: scan.scanned_at)
    if _is_others(session, scan):
        _note_other(session)
        return
    if session.tag is None and abs(scan.scanned_at - session.started_at) <= SCAN_S:
        session.tag = scan.tag
    if session.tag == scan.tag:
        state.scans = [other for other in state.scans if other not in fitting]


def drop(state: MachineState, tag: str, charge_point: str) -> str | None:
    """The wallbox threw a card away: it is no session's that it did not charge for. Answers whose tag it was until now.

    What has charged with a tag keeps it: the wallbox throws away what is scanned while a charge runs.
    """
    tag = tag.strip()[:LONGEST_TAG]
    state.scans = [scan for scan in state.scans if scan.tag != tag or scan.charge_point not in (None, charge_point)]
    point = state.points.get(charge_point)
    session = point.session if point is not None else None
    if session is None or session.tag != tag or _has_charged(session):
        return None
    session.tag = None
    return charge_point


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


def _is_others(session: Session, scan: WaitingScan) -> bool:
    """Whether a scan says that the plug was moved to another car a moment ago."""
    flap = session.flap
    if flap is None or session.tag is None or scan.tag == session.tag:
        return False
    return flap.absent_since <= scan.scanned_at <= flap.back_at + SCAN_S


def _note_other(session: Session) -> None:
    if session.flap is not None:
        session.flap.has_other_card = True
