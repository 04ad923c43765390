"""Why a server could not be reached, in words that tell whether name, port, password or clock must be put right.

Adapters put it behind their own sentence. It names no host, since the sentence may reach anybody.
"""

import errno
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from redis.exceptions import AuthenticationError

from common.errors import RedisUnavailable

DEEPEST = 8  # causes looked at; libraries wrap an error two or three times

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_… of OpenSSL's x509_vfy.h

_BY_ERRNO = {
    errno.ECONNREFUSED: "nothing listens on that port",
    errno.ENETUNREACH: "there is no way to that address",
    errno.EHOSTUNREACH: "there is no way to that address",
    errno.EADDRNOTAVAIL: "there is no way to that address",
    errno.ECONNRESET: "it broke the connection off",
    errno.EPIPE: "it broke the connection off",
    errno.ENOENT: "there is no such socket",
    errno.EACCES: "this user may not open it",
    errno.EPERM: "the system does not allow it",
}


def clause(exc: BaseException) -> str:
    """ ": " and the reason in `exc` or below it; "" where that says nothing more."""
    reason = next(filter(None, map(_reason, _causes(exc))), None)
    return f": {reason}" if reason else ""


def redis_unavailable(exc: BaseException, what: str = "Redis") -> RedisUnavailable:
    """Our error for one of redis-py's, or of the system's below it; raise it `from` that."""
    detail = f"{type(exc).__name__}: {exc}"
    if any(isinstance(cause, AuthenticationError) for cause in _causes(exc)):
        return RedisUnavailable(f"{what} refused the password, or asks for one", detail=detail)
    return RedisUnavailable(f"{what} does not answer{clause(exc)}", detail=detail)


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    for _ in range(DEEPEST):
        if exc is None:
            return
        yield exc
        wrapped = getattr(exc, "original_exception", None)  # PyMySQL's
        exc = wrapped if isinstance(wrapped, BaseException) else exc.__cause__ or exc.__context__


def _reason(exc: BaseException) -> str | None:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _about_certificate(exc)
    if isinstance(exc, ssl.SSLError):
        return "it does not speak TLS on that port"
    if isinstance(exc, socket.gaierror):
        if exc.errno == socket.EAI_AGAIN:
            return "the name server does not answer"
        return "no machine of that name is known"
    if isinstance(exc, TimeoutError):
        return "no answer came in time"
    return _BY_ERRNO.get(exc.errno or 0) if isinstance(exc, OSError) else None


def _about_certificate(exc: ssl.SSLCertVerificationError) -> str:
    """A clock that is wrong makes a good certificate look bad; boards without a battery start years ago."""
    code = getattr(exc, "verify_code", 0)
    if code in (_NOT_YET_VALID, _EXPIRED):
        fault = "not valid yet" if code == _NOT_YET_VALID else "valid no more"
        return f"it is {fault} by this machine's clock, which says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return getattr(exc, "verify_message", "") or "it is another one than expected"
