"""What the demo asks and tries over loopback: which ports are free, who listens, what a URL answers.

Called by simulator/demo.py only. It blocks for seconds at most, and never goes through a proxy.
"""

import json
import socket
import urllib.error
import urllib.request
from typing import Any

from common.errors import FieldError

DEFAULT_PORT_BASE = 8480


def free_ports(needed: int, base: int | None) -> range:
    """`needed` ports in a row that nobody uses, from `base`, or from the next free place after the default."""
    candidates = [base] if base is not None else list(range(DEFAULT_PORT_BASE, DEFAULT_PORT_BASE + 200, 10))
    for first in candidates:
        if not any(_is_taken(port) for port in range(first, first + needed)):
            return range(first, first + needed)
    last = candidates[-1] + needed - 1
    raise FieldError(
        f"a port from {candidates[0]} to {last} is taken; try another --port-base", {"port_base": "ports are taken"}
    )


def is_answering(port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def http_json(url: str, body: bytes | None = None, token: str | None = None) -> dict[str, Any] | None:
    """The JSON object that a loopback URL answers, or None when it did not answer with 200."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - http on loopback, built here
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except (urllib.error.URLError, OSError, ValueError):
        return None


def components(url: str) -> dict[str, dict[str, Any]]:
    """What works and what does not, by the api's /readyz; empty when it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        try:
            with opener.open(f"{url}/readyz", timeout=10) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as failing:  # 503, with the same content
            with failing:
                told = json.load(failing)
    except (urllib.error.URLError, OSError, ValueError):
        return {}
    found: dict[str, dict[str, Any]] = told.get("components", {})
    return found


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
