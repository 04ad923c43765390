"""What stands in the QR code that pairs a phone: site, secret, and both ways to the site. Pure."""

import json
import re
from dataclasses import dataclass

from api.access import Origin

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Urls:
    """None: not known, or there is no such way."""

    lan: str | None
    relay: str | None


def payload(*, site: str, secret: str, urls: Urls) -> str:
    """One line of JSON; `wallport` is the version of its form."""
    told = {"wallport": 1, "site": site, "secret": secret, "lan_url": urls.lan, "relay_url": urls.relay}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def lan_url(origin: Origin, host: str, *, is_tls: bool) -> str | None:
    """Where whoever asks on the LAN has found the site itself; None for a request through the relay, or a strange
    Host field."""
    if origin is not Origin.LAN or not _HOST.fullmatch(host):
        return None
    return f"{'https' if is_tls else 'http'}://{host}"
