"""Commands into Redis and their records out of it, by redis-py. Keys and shapes stand in common/keys.py.

A command is written once or not at all: one script, never sent a second time. When the connection breaks after the
script went out, nobody knows whether it ran; that is an error of its own, with the command's id.
"""

from collections.abc import Awaitable
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from api.adapters.redis_client import answer, client, unavailable
from api.errors import AcceptanceUnknown
from common import keys
from common.commands import COMMANDS_KEPT, RECORD_KEPT_S, Command, CommandRecord, accepted
from common.errors import RedisUnavailable

CONNECTIONS = 4

_ACCEPT = """
if KEYS[3] then
  local id = redis.call('GET', KEYS[3])
  local record = id and redis.call('GET', ARGV[1] .. id)
  if record then return record end
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'd', ARGV[3])
redis.call('SET', KEYS[2], ARGV[4], 'EX', ARGV[5])
if KEYS[3] then redis.call('SET', KEYS[3], ARGV[6], 'EX', ARGV[5]) end
return ARGV[4]
"""
"""The record of the command that the idempotency key made, or of the new one.

Redis runs a script as a whole, so that of two taps at once one makes the command. The first write is the one that Redis
may refuse (no memory, a replica, another type): then nothing was written. A key whose record is gone counts no more.
"""

_record = msgspec.json.Decoder(CommandRecord)


class CommandQueue:
    """Implements api.ports.CommandQueue. Made inside the running event loop."""

    def __init__(self, url: str) -> None:
        self._reading = client(url, connections=CONNECTIONS)
        self._writing = client(url, connections=CONNECTIONS, is_repeatable=False)

    async def accept(self, command: Command, idempotency_key: str | None) -> CommandRecord:
        names = [keys.commands(), keys.command(command.id)]
        if idempotency_key is not None:
            names.append(keys.idempotency(command.by, idempotency_key))
        values: list[Any] = [
            keys.command(""),
            COMMANDS_KEPT,
            msgspec.json.encode(command),
            msgspec.json.encode(accepted(command)),
            RECORD_KEPT_S,
            command.id,
        ]
        one = self._writing.client()
        try:
            await answer(_connect(one))  # what fails before the script goes out has surely changed nothing
            raw = await cast(Awaitable[bytes], one.eval(_ACCEPT, len(names), *names, *values))
        except ResponseError as exc:
            raise unavailable(exc) from exc
        except (RedisError, OSError) as exc:
            words = "it is not known whether the command was accepted; ask for it, or repeat it with the same key"
            raise AcceptanceUnknown(words, command_id=command.id, detail=repr(exc)) from exc
        finally:
            await one.aclose()
        return _decoded(raw)

    async def made_by(self, user: str, idempotency_key: str) -> CommandRecord | None:
        command_id = await self._get(keys.idempotency(user, idempotency_key))
        return None if command_id is None else await self.record(command_id.decode(errors="replace"))

    async def record(self, command_id: str) -> CommandRecord | None:
        raw = await self._get(keys.command(command_id))
        return None if raw is None else _decoded(raw)

    async def close(self) -> None:
        await self._reading.aclose()
        await self._writing.aclose()

    async def _get(self, key: str) -> bytes | None:
        return await answer(cast(Awaitable[bytes | None], self._reading.get(key)))


async def _connect(one: "Redis") -> None:
    """Take a connection of the pool that is alive: one that died with an earlier Redis is made anew."""
    await one.initialize()
    try:
        await one.ping()
    except RedisConnectionError:
        await one.ping()


def _decoded(raw: bytes) -> CommandRecord:
    try:
        return _record.decode(raw)
    except msgspec.DecodeError as exc:
        raise RedisUnavailable("a command in Redis is not readable", detail=str(exc)) from exc
