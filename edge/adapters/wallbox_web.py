"""The web server of openWB 1.9, of which nothing but the months of the charge log is ever asked for.

The one file that speaks HTTP to the wallbox, with Python's own client: it follows no redirect and uses no proxy.
Source: openWB serves `web/logging/data/ladelog/YYYYMM.csv` to anybody in the LAN.
"""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from edge.charge_log.errors import ChargeLogUnavailable
from edge.charge_log.schedule import Month

LARGEST = 4 * 1024 * 1024  # bytes; a busy month has some 30 KiB
CONNECTED_WITHIN_S = 3.0
WITHIN_S = 5.0  # from then to the last byte; a Raspberry Pi answers within a tenth of a second

_PATH = "/openWB/web/logging/data/ladelog/{year:04d}{month:02d}.csv"


class WallboxWeb:
    """`base_url` is http://host[:port], or https."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._is_tls = parts.scheme == "https"
        self._address = (parts.hostname or "", parts.port)
        self._path = parts.path.rstrip("/") + _PATH

    def read(self, month: Month) -> bytes | None:
        """The file of a month, None when there is none. Blocks for 8 s at most; raises ChargeLogUnavailable."""
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(*self._address, timeout=CONNECTED_WITHIN_S)
        try:
            connection.connect()
            with _deadline(connection.sock) as was_cut:
                content = self._answer(connection, month)
            if was_cut.is_set():
                raise ChargeLogUnavailable("the wallbox's web server is too slow")
        except (OSError, http.client.HTTPException) as exc:
            raise ChargeLogUnavailable("the wallbox's web server does not answer", detail=repr(exc)) from exc
        finally:
            connection.close()
        return content

    def _answer(self, connection: http.client.HTTPConnection, month: Month) -> bytes | None:
        connection.request("GET", self._path.format(year=month.year, month=month.month))
        answer = connection.getresponse()
        if answer.status == http.client.NOT_FOUND:
            return None
        if answer.status != http.client.OK:
            raise ChargeLogUnavailable(f"the wallbox's web server answered {answer.status}")
        content = answer.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ChargeLogUnavailable("the wallbox's web server sent more than a charge log")
        if answer.length:
            raise ChargeLogUnavailable("the wallbox's web server broke off")
        return content


@contextmanager
def _deadline(connected: socket.socket) -> Iterator[threading.Event]:
    """Cut a connection after WITHIN_S, and say so: a socket's own timeout begins anew with every byte."""
    was_cut = threading.Event()

    def cut() -> None:
        was_cut.set()
        with suppress(OSError):  # closed meanwhile
            connected.shutdown(socket.SHUT_RDWR)

    connected.settimeout(WITHIN_S)
    timer = threading.Timer(WITHIN_S, cut)
    timer.daemon = True
    timer.start()
    try:
        yield was_cut
    finally:
        timer.cancel()
