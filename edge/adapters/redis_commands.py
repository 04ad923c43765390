"""Commands in Redis: the api's stream as a queue, and the records that say what became of them.

Keys and shapes: `common/keys.py`, `common/commands.py`. Every call blocks for at most a few seconds and raises only
`RedisUnavailable`. For one thread.
"""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec

from common import keys, logs
from common.commands import COMMANDS_KEPT, RECORD_KEPT_S, Command, CommandRecord, accepted
from common.health import Health
from edge.adapters.redis_mirror import client, translated

T = TypeVar("T")

MOST_AT_ONCE = 100  # commands of one answer; more wait in Redis for the next

log = logs.get(__name__)


class RedisCommands:
    """Remembers in memory how far it has read; after a restart everything is read again."""

    def __init__(self, url: str, health: Health) -> None:
        self._redis = client(url)
        self._health = health
        self._position = b"0"

    def rewind(self) -> None:
        """Read the stream from its beginning again: it may be another one now."""
        self._position = b"0"

    def take(self, wait_s: float) -> list[tuple[Command, CommandRecord | None]]:
        """The next commands with their records; empty when none came within `wait_s`. 0 does not wait."""
        with translated():
            block_ms = max(1, round(wait_s * 1000)) if wait_s > 0 else None
            answer = self._redis.xread({keys.commands(): self._position}, count=MOST_AT_ONCE, block=block_ms)
            entries = cast(list[Any], answer)[0][1] if answer else []
            found = [(entry_id, _decoded(fields.get(b"d"), Command)) for entry_id, fields in entries]
            commands = [command for _, command in found if command is not None]
            records = self._redis.mget([keys.command(command.id) for command in commands]) if commands else []
        if found:
            self._position = found[-1][0]
        if unreadable := len(found) - len(commands):
            self._health.count("commands_unreadable", unreadable)
            log.warning("command_unreadable", count=unreadable)
        texts = cast(Sequence[bytes | None], records)
        return [(command, _decoded(text, CommandRecord)) for command, text in zip(commands, texts, strict=True)]

    def save(self, records: Sequence[CommandRecord]) -> None:
        """Replace records, in one transaction."""
        with translated():
            pipeline = self._redis.pipeline(transaction=True)
            for record in records:
                pipeline.set(keys.command(record.id), msgspec.json.encode(record), ex=RECORD_KEPT_S)
            pipeline.xtrim(keys.commands(), maxlen=COMMANDS_KEPT, approximate=True)
            pipeline.execute()

    def close(self) -> None:
        self._redis.close()


class RedisWishes:
    """The edge's own commands, into the same stream. For one thread."""

    def __init__(self, url: str) -> None:
        self._redis = client(url)
        self._submit = self._redis.register_script(_SUBMIT)

    def submit(self, command: Command) -> None:
        """Append a command with its first record; nothing if there is a record of this id already."""
        with translated():
            self._submit(
                keys=[keys.commands(), keys.command(command.id)],
                args=[
                    msgspec.json.encode(command),
                    msgspec.json.encode(accepted(command)),
                    RECORD_KEPT_S,
                    COMMANDS_KEPT,
                ],
            )

    def record(self, command_id: str) -> CommandRecord | None:
        """None for an unknown, forgotten or unreadable one."""
        with translated():
            text = self._redis.get(keys.command(command_id))
        return _decoded(cast(bytes | None, text), CommandRecord)

    def close(self) -> None:
        self._redis.close()


_SUBMIT = """
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'd', ARGV[1])
  redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
end
"""


def _decoded(text: bytes | None, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(text, type=kind) if text is not None else None
    except msgspec.DecodeError:
        return None
