"""What the demo hands to people and programs: the welcome text, the ready file, and files only their owner may read.

Called by simulator/demo.py only. The ready file's shape is in docs/demo.md.
"""

import json
import shlex
from pathlib import Path
from typing import Any


def welcome(ready: dict[str, Any], token_header: Path) -> str:
    """The text with the URLs, the logins and three commands that work as they stand, as long as the demo runs."""
    users = ready["users"]
    lan, relay = f"{ready['lan_url']}/api/v1", f"{ready['relay_site_url']}/api/v1"
    login = json.dumps({"username": "viewer", "password": users["viewer"]["password"]}, separators=(",", ":"))
    logins = "\n".join(f"    {name:8}{user['password']}" for name, user in users.items())
    return f"""
  Open in a browser    {ready["lan_url"]}/  (log in as driver, with the password below)

  On your LAN          {ready["lan_url"]}
  From the internet    {ready["relay_site_url"]}  (the API)
  MQTT broker          {ready["mqtt_url"]}

  Logins
{logins}
  TOTP secret of admin: {users["admin"]["totp_secret"]}

  Try it: log in through the relay, see the wallbox's live values that way, and the charge points on the LAN.
  (The file holds the header with viewer's access token; the demo renews it.)

    curl -s {relay}/auth/login -H 'Content-Type: application/json' -d '{login}'
    curl -s {relay}/state -H @{shlex.quote(str(token_header))}
    curl -s {lan}/chargepoints -H @{shlex.quote(str(token_header))}

  Ctrl-C ends it all.
"""


def write_ready_file(file: Path | None, ready: dict[str, Any]) -> None:
    if file is not None:
        write_private(file, json.dumps(ready, indent=1))


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all: somebody may be waiting for it."""
    draft = file.with_name(file.name + ".new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
