"""Notices when what HELLO says of this site is no longer true: the enrolment, the edge's key, the key of the tokens.

A thread of the tunnel's loop, so that neither an api that hangs nor a slow disk holds up the tunnel. The public key of
the tokens comes from the local api and stays known while that is down; the relay's door needs it. Whatever is new is
told by dialling anew.
"""

import threading
from collections.abc import Callable

import msgspec

from common import logs
from common.tunnel.handshake import TokenKeyInfo
from edge.tunnel import ApiUnavailable, Enrolment, Enrolments, EnrolmentUnusable, LocalApi

TOKEN_KEY_PATH = "/internal/token-key"

LOOK_EVERY_S = 1.0
"""For an enrolment that is new; and for the token key as long as none is known, since api and edge start together."""

ASK_EVERY_S = 15.0
"""For another token key: as rare as an owner who removes the api's key file."""

LONGEST_ANSWER = 4096  # bytes; a real one has about 100

log = logs.get(__name__)


class Renewal:
    """`enrolment`, `token_key` and `knows_token_key` are for any thread."""

    def __init__(self, enrolments: Enrolments, api: LocalApi, on_change: Callable[[], None]) -> None:
        """`on_change` is called in this thread whenever an enrolment or a token key is another than before."""
        self._enrolments = enrolments
        self._api = api
        self._on_change = on_change
        self.enrolment: Enrolment | None = None
        self.token_key: TokenKeyInfo | None = None
        self.knows_token_key = threading.Event()
        self._is_over = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        asks_in_s = 0.0
        while not self._is_over.is_set():
            is_new = self._look()
            if asks_in_s <= 0:
                is_new = self._ask() or is_new
                asks_in_s = ASK_EVERY_S if self.token_key is not None else LOOK_EVERY_S
            if is_new:
                self._on_change()
            if self.token_key is not None:
                self.knows_token_key.set()
            asks_in_s -= LOOK_EVERY_S
            self._is_over.wait(LOOK_EVERY_S)

    def end(self) -> None:
        """From any thread; does not wait for a request to the api that hangs."""
        self._is_over.set()

    def _look(self) -> bool:
        """True if there is another enrolment than before."""
        try:
            found = self._enrolments.load()
        except EnrolmentUnusable:
            return False  # damaged: the loop says so when it needs it
        is_new, self.enrolment = found != self.enrolment, found
        return is_new

    def _ask(self) -> bool:
        """True if the api has told another key than before."""
        try:
            exchange = self._api.request("GET", TOKEN_KEY_PATH, (), has_body=False)
            try:
                status, _ = exchange.answer()
                body = b""
                while len(body) <= LONGEST_ANSWER and (data := exchange.read()):
                    body += data
            finally:
                exchange.finish()
            found = msgspec.json.decode(body, type=TokenKeyInfo) if status == 200 else None
        except (ApiUnavailable, msgspec.DecodeError) as exc:
            log.debug("token_key_not_told", detail=str(exc))
            return False
        if found is None or found == self.token_key:
            return False
        log.info("token_key_told", site=found.site)
        self.token_key = found
        return True
