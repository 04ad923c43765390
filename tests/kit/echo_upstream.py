"""A tiny HTTP and websocket server that shows what a proxy in front of it passed on."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from websockets.sync.server import ServerConnection, serve


class _Handler(BaseHTTPRequestHandler):
    """`/stream` sends one piece and the next only after `released`; anything else answers with what it received. Each
    answer has the fields that `steering` holds, too."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
    released: threading.Event
    steering: Mapping[str, str] = {}

    def do_GET(self) -> None:
        if self.path.startswith("/stream"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self._steer()
            self.end_headers()
            self._chunk(b"data: 1\n\n")
            self.released.wait(10)
            self._chunk(b"data: 2\n\n")
            self._chunk(b"")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = {"path": self.path, "fields": list(self.headers.items()), "body_bytes": len(body)}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self._steer()
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the names are http.server's

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""

    def _steer(self) -> None:
        for name, value in self.steering.items():
            self.send_header(name, value)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


@contextmanager
def http_upstream(port: int, steering: Mapping[str, str] | None = None) -> Iterator[threading.Event]:
    """Serve HTTP on a reserved port; yields the event that lets `/stream` go on. `steering`: fields of each answer."""
    released = threading.Event()
    handler = type("Handler", (_Handler,), {"released": released, "steering": steering or {}})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield released
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def websocket_upstream(port: int) -> Iterator[None]:
    """Serve websockets on a reserved port: first a message with the request's path and fields, then echoes."""

    def answer(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        connection.send(json.dumps({"path": request.path, "fields": list(request.headers.raw_items())}))
        for message in connection:
            connection.send(message)

    with serve(answer, "127.0.0.1", port) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
