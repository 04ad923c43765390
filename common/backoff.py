"""How long to wait before the next try: exponential with full jitter.

Full jitter (a uniform draw between 0 and the ceiling) spreads many clients that lost the same server at the same
moment; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Waits for one retried thing. Not thread-safe: one owner each.

    The ceiling doubles from `first_s` to `longest_s`; `reset()` after success starts over.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    draw: random.Random = field(default_factory=random.SystemRandom)
    _failures: int = 0

    def next_delay_s(self) -> float:
        """Seconds to wait now; at least a tenth of the ceiling, lest a broken peer be asked in a tight loop."""
        ceiling = min(self.longest_s, self.first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return self.draw.uniform(ceiling / 10, ceiling)

    def reset(self) -> None:
        self._failures = 0
