"""Argon2 beside the event loop: two at a time, since each takes a core and 64 MiB for about 0.1 s."""

from api.adapters.executor import BoundedExecutor
from common.security.passwords import Passwords, Verdict

THREADS = 2
MOST_WAITING = 20  # the last one waits about a second on one core; more would only be given up by their clients


class PasswordThreads:
    """Implements api.ports.PasswordChecker. `passwords` is made by the caller, since its constructor blocks."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._executor = BoundedExecutor("password", threads=THREADS, most_waiting=MOST_WAITING)

    async def hash(self, password: str) -> str:
        return await self._executor.run(self._passwords.hash, password)

    async def rehash(self, password: str) -> str:
        return await self._executor.run(self._passwords.rehash, password)

    async def verify(self, stored_hash: str | None, password: str) -> Verdict:
        return await self._executor.run(self._passwords.verify, stored_hash, password)

    def close(self) -> None:
        self._executor.close()
