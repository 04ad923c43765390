"""Commands on `openWB/set/command/<client>/todo[/<command>]` (its `helpermodules/command.py`). Pure.

Only the charge log can be asked for; all else, known to openWB or not, is answered as an unknown command.
"""

import json
from typing import Any

from simulator.v2.chargelog import BadRequest, ChargeLog
from simulator.wallbox import Message


def answer(name: str, value: Any, log: ChargeLog, now: float) -> list[Message]:
    """What is published for `value` on `openWB/set/<name>`; [] if it is no command's topic."""
    client, _, rest = name.removeprefix("command/").partition("/")
    if not client or rest.split("/")[0] != "todo":
        return []
    command = value.get("command") if isinstance(value, dict) else None
    if command != "getChargeLog":
        return [_message(client, f"Unbekannter Befehl: {str(command)[:100]}", now)]
    try:
        found = log.answer(value.get("data"))
    except BadRequest as error:
        return [_message(client, f"Es ist ein interner Fehler aufgetreten: {error}", now)]
    return [Message(f"openWB/log/{client}/data", json.dumps(found), is_retained=False)]


def _message(client: str, text: str, now: float) -> Message:
    """A message for people; retained until the client empties it."""
    content = {"source": "command", "type": "danger", "message": text, "timestamp": int(now)}
    return Message(f"openWB/command/{client}/messages/{int(now * 1000)}", json.dumps(content))
