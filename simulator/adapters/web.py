"""The wallbox's web server, for openWB 1.9's charge log: files that are asked for by GET, and nothing else.

Python's own server, a thread for each connection; on loopback, for the demo and the tests.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
IDLE_S = 10.0


@contextmanager
def serving(port: int, file: Callable[[str], bytes | None]) -> Iterator[None]:
    """Serve until the block ends; `file` says what stands at a path, None for nothing. Raises OSError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = IDLE_S

        def do_GET(self) -> None:
            content = file(self.path)
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """The edge's own log says what it read."""

    with ThreadingHTTPServer((HOST, port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="web", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
