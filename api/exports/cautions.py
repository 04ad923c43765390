"""What speaks against a document's sessions, gathered while they pass by: what lacks in the sums, or is no own record.

Pure. Holds some numbers of each kind, however many sessions there are.
"""

from dataclasses import dataclass, field

from api.exports import figures
from api.exports.texts import Language, value_words, words
from common.store.rows import SessionRow

MOST_NUMBERS = 30  # of a sentence


@dataclass(slots=True)
class _Kind:
    count: int = 0
    energy_wh: int = 0
    numbers: list[int] = field(default_factory=list)

    def add(self, session: SessionRow, energy_wh: int = 0) -> None:
        self.count += 1
        self.energy_wh += energy_wh
        if len(self.numbers) < MOST_NUMBERS:
            self.numbers.append(session.id or 0)


class Cautions:
    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}
        self._sessions = 0
        self._highest_id = 0
        self._is_in_order = True

    def add(self, session: SessionRow) -> None:
        self._sessions += 1
        self._is_in_order = self._is_in_order and (session.id or 0) > self._highest_id
        self._highest_id = max(self._highest_id, session.id or 0)
        for key, is_so in (
            ("without_energy", session.energy_wh is None),
            ("without_cost", session.cost_millicents is None),
            ("still_running", session.ended_at is None),
            (f"origin.{session.origin}", session.origin != "recorded"),
        ):
            if is_so:
                self._kind(key).add(session)
        if session.doubt is not None:
            self._kind("doubtful").add(session, session.energy_wh or 0)
        if session.discharged_wh is not None:
            self._kind("given_back").add(session, session.discharged_wh)

    def sentences(self, language: Language) -> list[str]:
        found = []
        for key in ("without_energy", "without_cost", "still_running"):
            kind = self._kinds.get(key)
            if kind is not None:
                found.append(words(key, language, numbers=_numbers(kind, language)))
        for key in sorted(key for key in self._kinds if key.startswith("origin.")):
            name = value_words("origin", key.removeprefix("origin."), language)
            found.append(words("not_recorded", language, origin=name, numbers=_numbers(self._kinds[key], language)))
        for key in ("doubtful", "given_back"):
            kind = self._kinds.get(key)
            if kind is not None:
                energy = figures.kwh(kind.energy_wh, language)
                found.append(words(key, language, energy=energy, numbers=_numbers(kind, language)))
        return found

    def order(self, language: Language) -> str | None:
        """Why the numbers are not in order; None: they are."""
        return None if self._is_in_order else words("numbers_order", language)

    def _kind(self, key: str) -> _Kind:
        return self._kinds.setdefault(key, _Kind())


def _numbers(kind: _Kind, language: Language) -> str:
    shown = ", ".join(map(str, kind.numbers))
    return shown if kind.count <= MOST_NUMBERS else words("and_more", language, numbers=shown, count=kind.count)
