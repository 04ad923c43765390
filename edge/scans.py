"""From what the wallbox says about tags to scans: each time that somebody holds a card to the reader, once.

Pure; driven by `edge/loops/rfid.py`, which keeps `Memory` over restarts. What a broker retained is delivered again on
every connection, so a scan is new only where the wallbox's own words changed, and it counts as fresh only if it was
heard as it happened, or bears an instant that is young. One scan shows in several topics, and only some say where: they
are put together for SETTLE_S.
"""

from dataclasses import dataclass, field, replace

from edge.openwb.rfid import Said, Word

FRESH_S = 120.0
"""The greatest age of a scan that may still do something: whoever made it stands beside the car. Also how far the
wallbox's clock may be off."""

SETTLE_S = 1.5
"""In which 1.9 has published all topics of one control loop, and a broker all that it retained. A person hardly
notices."""

SAME_S = 2.0
"""1.9 asks for the time once for each of its topics."""

BOUND_WITHIN_S = 370.0
"""Both generations let a tag wait 300 s for a plug, and then need up to a control interval of 60 s."""

MOST_KEPT = 64
"""Scans that are remembered. More within BOUND_WITHIN_S no reader takes."""

MOST_TOPICS = 300
"""Topics that are remembered: six of each of fifty charge points. Whoever floods the broker with more is not heard."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A card was held to a reader. `charge_point` None: the wallbox did not say at which one.

    `scanned_at` in Unix seconds. Not `is_fresh`: it is old, or nobody knows when it was (then `scanned_at` is when it
    was heard of).
    """

    tag: str
    scanned_at: float
    charge_point: str | None
    is_fresh: bool = True


@dataclass(frozen=True, slots=True)
class Discard:
    """The wallbox threw a tag away that was held to the reader of a charge point: it charges nothing with it."""

    tag: str
    charge_point: str


@dataclass(slots=True)
class Memory:
    """What outlives a restart: the last word of each topic, and the newest scans."""

    words: dict[str, str] = field(default_factory=dict)
    scans: list[Scan] = field(default_factory=list)


@dataclass(slots=True)
class _Arriving:
    scan: Scan
    due_at: float  # uptime
    is_dated: bool


class Scans:
    """`now` is the clock's, `uptime` a steady one for settling. `is_changed`: the memory must be kept again."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.is_changed = False
        self._arriving: list[_Arriving] = []
        self._leaving: list[tuple[Discard, float]] = []  # with the uptime at which it is given out
        self._waiting: dict[str, str] = {}

    @property
    def is_arriving(self) -> bool:
        """Whether something was heard of that is not given out yet."""
        return bool(self._arriving or self._leaving)

    def hear(self, topic: str, said: Said, *, is_retained: bool, now: float, uptime: float) -> None:
        """Take in one message, in the order of arrival."""
        number = said.charge_point
        if said.word is Word.WAITING and number is not None:
            if said.tag is None:
                self._waiting.pop(number, None)
            elif number in self._waiting or len(self._waiting) < MOST_TOPICS:
                self._waiting[number] = said.tag
        before = self.memory.words.get(topic, "")
        if not self._is_news(topic, said):
            return
        self._note_leaving(said, before, uptime)
        if said.tag is not None and not self._is_known(said, now):
            is_dated = said.at is not None or not is_retained
            if not is_dated and said.word is Word.SCANNED:
                return  # 1.9 never clears these: nobody knows of which year it is
            at = now if said.at is None else said.at
            scan = Scan(said.tag, at, said.charge_point, is_dated and abs(now - at) <= FRESH_S)
            self._arriving.append(_Arriving(scan, uptime + SETTLE_S, is_dated))
            del self._arriving[:-MOST_KEPT]

    def due(self, now: float, uptime: float) -> list[Scan]:
        """The scans about which everything was said; each is given out once."""
        ready = [
            one.scan if one.is_dated else self._dated(one.scan, now) for one in self._arriving if one.due_at <= uptime
        ]
        if ready:
            self._arriving = [one for one in self._arriving if one.due_at > uptime]
            self.memory.scans = [*self.memory.scans, *ready][-MOST_KEPT:]
            self.is_changed = True
        return ready

    def thrown_away(self, uptime: float) -> list[Discard]:
        """The tags that the wallbox threw away; each is given out once, after its scan."""
        ready = [one for one, due_at in self._leaving if due_at <= uptime]
        self._leaving = [(one, due_at) for one, due_at in self._leaving if due_at > uptime]
        words = self.memory.words
        return [one for one in ready if words.get(f"openWB/chargepoint/{one.charge_point}/set/rfid") != one.tag]

    def is_held(self, tag: str, charge_point: str | None) -> bool:
        """Whether openWB 2.x has not yet bound it to a session, nor thrown it away."""
        return charge_point is not None and self._waiting.get(charge_point) == tag

    def _note_leaving(self, said: Said, before: str, uptime: float) -> None:
        """A tag of 2.x that waits no more was bound, which another topic tells, or thrown away; 1.9 says so itself."""
        number = said.charge_point
        if number is None:
            return
        gone = before if said.word is Word.WAITING and before != said.tag else said.tag if said.is_refused else None
        if gone:
            self._leaving = [*self._leaving, (Discard(gone, number), uptime + SETTLE_S)][-MOST_KEPT:]

    def _is_news(self, topic: str, said: Said) -> bool:
        words = self.memory.words
        word = said.tag or ""
        if said.at is not None:
            word = f"{word},{said.at!r}"
        if words.get(topic, "") == word or (topic not in words and len(words) >= MOST_TOPICS):
            return False
        words[topic] = word
        self.is_changed = True
        return True

    def _is_known(self, said: Said, now: float) -> bool:
        """Whether it is a scan that another topic told of; if that did not say where, now it is known."""
        for one in self._arriving:
            if one.scan.tag == said.tag and self._is_same(one.scan, said, now):
                if one.scan.charge_point is None:
                    one.scan = replace(one.scan, charge_point=said.charge_point)
                return True
        return any(scan.tag == said.tag and self._is_same(scan, said, now) for scan in self.memory.scans)

    def _is_same(self, scan: Scan, said: Said, now: float) -> bool:
        if scan.charge_point is not None and said.charge_point not in (None, scan.charge_point):
            return False
        if said.at is not None:
            return abs(said.at - scan.scanned_at) <= SAME_S
        # A tag that is bound to a session, or assigned, was scanned before; a tag that waits anew was scanned anew.
        return said.word is not Word.WAITING and abs(now - scan.scanned_at) <= BOUND_WITHIN_S

    def _dated(self, scan: Scan, now: float) -> Scan:
        """2.x says the instant of a waiting tag in a topic of its own; for a retained one it is all there is."""
        number = scan.charge_point
        _, _, text = self.memory.words.get(f"openWB/chargepoint/{number}/get/rfid_timestamp", "").partition(",")
        if not text or number is None or self._waiting.get(number) != scan.tag:
            return scan
        return replace(scan, scanned_at=float(text), is_fresh=abs(now - float(text)) <= FRESH_S)
