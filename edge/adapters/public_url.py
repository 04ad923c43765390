"""One request to the relay's public URL, as anybody on the internet would make it. Used by edge/loops/self_check.py."""

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from common.unreachable import clause
from edge.adapters.relay_line import tls_context
from edge.tunnel import RelayUnavailable

CONNECT_WITHIN_S = 10.0

ANSWER_WITHIN_S = 35.0
"""A relay that has lost the edge says so after 30 s at most, which is a better reason than none."""


class HttpPublicUrl:
    """`edge.self_check.PublicUrl`; `ca_file` holds the only authorities to trust, None means the machine's."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file

    def ask(self, relay_url: str, target: str, authorization: str) -> int | None:
        parts = urlsplit(relay_url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = tls_context(self._ca_file)
            connection = http.client.HTTPSConnection(parts.netloc, timeout=CONNECT_WITHIN_S, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=CONNECT_WITHIN_S)
        try:
            _connect(connection)
            connection.sock.settimeout(ANSWER_WITHIN_S)
            connection.request("GET", target, headers={"Authorization": authorization, "Connection": "close"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def _connect(connection: http.client.HTTPConnection) -> None:
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as exc:
        raise RelayUnavailable(f"the relay's certificate is not trusted{clause(exc)}", detail=str(exc)) from exc
    except OSError as exc:
        message = f"the relay's public address cannot be reached{clause(exc)}"
        raise RelayUnavailable(message, detail=str(exc)) from exc
