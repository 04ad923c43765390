"""How the broker's certificate is checked. Used by mqtt.py alone.

openWB 2.x makes itself a certificate that no authority signed, for a name under which nobody reaches it. So the file
of the settings may hold that very certificate: then nothing else is asked of the broker than to own its key.
"""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def contexts(ca_file: Path | None) -> Iterator[ssl.SSLContext]:
    """The ways to trust a broker, the usual one first; the next is for when a certificate failed the one before.

    Without a file there is only the usual way. Raises OSError when the file cannot be read or holds no certificate.
    """
    usual = ssl.create_default_context(cafile=ca_file)
    usual.sslsocket_class = _ClosingSocket
    if ca_file is not None:
        usual.verify_flags &= ~ssl.VERIFY_X509_STRICT  # authorities made at home lack what the newest rules ask for
    yield usual
    if ca_file is not None:
        yield PinningContext(ca_file)


class PinningContext(ssl.SSLContext):
    """Trusts exactly the certificates in a file, whatever name and date they bear.

    The handshake proves that the peer owns the key; nothing is sent before `do_handshake` has compared.
    """

    pinned: frozenset[bytes]

    def __new__(cls, _file: Path) -> "PinningContext":
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, file: Path) -> None:
        self.pinned = frozenset(
            ssl.PEM_cert_to_DER_cert(pem) for pem in _PEM.findall(file.read_text("ascii", "replace"))
        )
        self.sslsocket_class = _PinnedSocket
        self.check_hostname = False
        self.verify_mode = ssl.CERT_NONE  # the socket below asks for more: equality


class _ClosingSocket(ssl.SSLSocket):
    """Closed when the handshake fails, which paho forgets."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
            self.check()
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raises SSLCertVerificationError when the peer's certificate is not good enough."""


class _PinnedSocket(_ClosingSocket):
    def check(self) -> None:
        context = self.context
        if not isinstance(context, PinningContext) or self.getpeercert(binary_form=True) not in context.pinned:
            raise ssl.SSLCertVerificationError("the broker's certificate is not the one in the file")
