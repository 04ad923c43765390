"""The edge's enrolment: `relay.json` and `edge_key.pem` in the data folder, and the requests that make and change them.

The key is made here and its private half never leaves; the code is sent once, in a body, and is neither stored nor
logged. Called by `wallport-edge enroll` and `rotate-key`, and by the tunnel's loop.
"""

import base64
import http.client
import json
import os
import ssl
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from common.errors import AppError, FieldError
from common.origins import origin_of
from common.private_folder import make_private
from common.security.device_keys import DeviceKey, encode_public_key
from common.security.key_rotation import prove
from common.unreachable import clause
from edge.adapters.relay_line import tls_context
from edge.tunnel import Enrolment, EnrolmentUnusable, RelayUnavailable

ENROLMENT_FILE = "relay.json"
KEY_FILE = "edge_key.pem"
NEXT_KEY_FILE = "edge_key.next.pem"
"""A key that is being rotated in; kept until the relay has said yes or no, so that a lost answer locks nobody out."""

TIMEOUT_S = 15.0
"""For each step of the one request."""

LONGEST_ANSWER = 16 * 1024  # bytes; a real one has under 100

T = TypeVar("T")

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class EnrolmentRefused(AppError):
    """The relay did not accept the code or the new key; the message is the relay's own."""

    code = "enrolment_refused"


class NotEnrolled(AppError):
    """There is no enrolment whose key could be rotated."""

    code = "not_enrolled"


class _Stored(msgspec.Struct, frozen=True):
    relay_url: str
    site_id: str
    site: str


class _Answer(msgspec.Struct, frozen=True):
    site_id: str
    site: str


class _Rotated(msgspec.Struct, frozen=True):
    site: str


class FileEnrolments:
    """`edge.tunnel.Enrolments`: the two files in the data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def load(self) -> Enrolment | None:
        try:
            stored = msgspec.json.decode((self._data_dir / ENROLMENT_FILE).read_bytes(), type=_Stored)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as exc:
            raise EnrolmentUnusable(f"{ENROLMENT_FILE} cannot be read: enrol again", detail=str(exc)) from exc
        return Enrolment(stored.relay_url, stored.site_id, stored.site, self._key_stamp())

    def key(self) -> DeviceKey:
        return DeviceKey.load(self._data_dir / KEY_FILE)

    def save(self, enrolment: Enrolment, key: DeviceKey) -> None:
        """The key first: an enrolment is seen only when its key is there. Raises EnrolmentUnusable."""
        try:
            make_private(self._data_dir)
            key.save(self._data_dir / KEY_FILE)
            (self._data_dir / NEXT_KEY_FILE).unlink(missing_ok=True)
            self._write(enrolment)
        except OSError as exc:
            raise EnrolmentUnusable(f"the enrolment cannot be written: {exc.strerror}", detail=str(exc)) from exc

    def rename(self, enrolment: Enrolment, site: str) -> None:
        try:
            self._write(replace(enrolment, site=site))
        except OSError as exc:
            raise EnrolmentUnusable(f"the enrolment cannot be written: {exc.strerror}", detail=str(exc)) from exc

    def next_key(self) -> DeviceKey:
        """The key to rotate in: the one of a try without an answer, or a fresh one, stored. Raises as `key`, `save`."""
        path = self._data_dir / NEXT_KEY_FILE
        if path.exists():
            return DeviceKey.load(path)
        key = DeviceKey.generate()
        try:
            key.save(path)
        except OSError as exc:
            raise EnrolmentUnusable(f"the new key cannot be written: {exc.strerror}", detail=str(exc)) from exc
        return key

    def use_next_key(self) -> None:
        """The relay knows it. Raises EnrolmentUnusable; then a repetition helps."""
        try:
            path = self._data_dir / NEXT_KEY_FILE
            os.utime(path)  # the running edge sees by this time that the key is another one
            path.replace(self._data_dir / KEY_FILE)
        except OSError as exc:
            raise EnrolmentUnusable(f"the new key cannot be written: {exc.strerror}", detail=str(exc)) from exc

    def drop_next_key(self) -> None:
        (self._data_dir / NEXT_KEY_FILE).unlink(missing_ok=True)

    def _write(self, enrolment: Enrolment) -> None:
        draft = self._data_dir / f".{ENROLMENT_FILE}.{os.getpid()}"
        stored = _Stored(enrolment.relay_url, enrolment.site_id, enrolment.site)
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(stored)))
        draft.replace(self._data_dir / ENROLMENT_FILE)

    def _key_stamp(self) -> int:
        try:
            return (self._data_dir / KEY_FILE).stat().st_mtime_ns
        except OSError:
            return 0


def enrol(relay_url: str, code: str, data_dir: Path, ca_file: Path | None = None) -> Enrolment:
    """Spend the code at the relay and store who we are now. An older enrolment is replaced; a running edge sees that.

    A relay that calls itself by another origin than `relay_url` refuses and keeps the code: no tunnel could come of it.
    Raises FieldError (`relay`) for a URL of the wrong form, EnrolmentRefused, RelayUnavailable, EnrolmentUnusable.
    """
    origin = checked_relay_url(relay_url)
    key = DeviceKey.generate()
    body = {"code": code.strip(), "public_key": encode_public_key(key.public_key), "relay_origin": origin}
    answer = _post(origin, "/enroll", body, ca_file, _Answer)
    enrolment = Enrolment(origin, answer.site_id, answer.site)
    FileEnrolments(data_dir).save(enrolment, key)
    return enrolment


def rotate_key(data_dir: Path, ca_file: Path | None = None) -> Enrolment:
    """Put a fresh key in the place of the edge's, proven by the old one; a running edge dials anew with it.

    Raises NotEnrolled, DeviceKeyUnusable, EnrolmentUnusable, EnrolmentRefused (the old key stays) and RelayUnavailable:
    then nobody knows whether the relay has changed the key, and a repetition settles it.
    """
    files = FileEnrolments(data_dir)
    enrolment = files.load()
    if enrolment is None:
        raise NotEnrolled("this site is not enrolled at any relay")
    old, new = files.key(), files.next_key()
    old_signature, new_signature = prove(enrolment.relay_url, enrolment.site_id, old, new)
    body = {
        "site_id": enrolment.site_id,
        "old_key": encode_public_key(old.public_key),
        "new_key": encode_public_key(new.public_key),
        "old_signature": _text(old_signature),
        "new_signature": _text(new_signature),
    }
    try:
        _post(enrolment.relay_url, "/rotate-key", body, ca_file, _Rotated)
    except EnrolmentRefused:
        files.drop_next_key()
        raise
    files.use_next_key()
    return enrolment


def checked_relay_url(relay_url: str) -> str:
    """Scheme, host and port. Plain http is for loopback only: the code and all traffic would be readable."""
    try:
        parts = urlsplit(relay_url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    fault = None
    if not host or parts.scheme not in ("https", "http") or parts.path.strip("/") or parts.query or parts.username:
        fault = "must be like https://relay.example.org"
    elif parts.scheme == "http" and host not in LOOPBACK:
        fault = "must begin with https:// unless the relay is on this machine"
    if fault is not None:
        raise FieldError(f"the relay's URL {fault}", {"relay": fault})
    return origin_of(relay_url.strip())


def _text(signature: bytes) -> str:
    return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def _post(origin: str, path: str, body: dict[str, str], ca_file: Path | None, shape: type[T]) -> T:
    """The relay's answer; raises RelayUnavailable, and EnrolmentRefused when it says no."""
    parts = urlsplit(origin)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=tls_context(ca_file))
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        answer = response.read(LONGEST_ANSWER)
    except ssl.SSLCertVerificationError as exc:
        raise RelayUnavailable(f"the relay's certificate is not trusted{clause(exc)}", detail=str(exc)) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise RelayUnavailable(f"the relay cannot be reached{clause(exc)}", detail=str(exc)) from exc
    finally:
        connection.close()
    if response.status in (200, 201):
        try:
            return msgspec.json.decode(answer, type=shape)
        except msgspec.DecodeError as exc:
            raise RelayUnavailable("the relay does not speak our protocol", detail=str(exc)) from exc
    if response.status == 429 or response.status >= 500:
        raise RelayUnavailable(_reason(answer, response.status))
    raise EnrolmentRefused(_reason(answer, response.status))


def _reason(answer: bytes, status: int) -> str:
    try:
        detail = json.loads(answer)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    return detail if isinstance(detail, str) else f"the relay answered with HTTP {status}"
