"""What a process measures, for Prometheus: a listener of its own, and the health board as metrics.

The listener is apart from everything that is public, and only there when a setting asks for it. It runs in a thread and
answers one request at a time; nothing that is measured waits for it. Used by the app.py of each product.
"""

import socketserver
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from common.errors import AppError
from common.health import Health, Status

PATH = "/metrics"

REQUEST_TIMEOUT_S = 5.0
"""For a scraper to say what it wants and to take the answer: it is one at a time."""


class MetricsUnusable(AppError):
    """The address for metrics cannot be listened on: perhaps the process that this one replaces still has it."""

    code = "metrics_unusable"
    is_retryable = True


class HealthCollector(Collector):
    """`wallport_component_ok`, and each counter of the board as `wallport_events_total`."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        components = GaugeMetricFamily(
            "wallport_component_ok", "1 when a part works, 0 when it fails or still starts", labels=["component"]
        )
        for name, part in sorted(self._health.components().items()):
            if part.status is not Status.DISABLED:
                components.add_metric([name], float(part.status is Status.OK))
        events = CounterMetricFamily(
            "wallport_events", "What was counted: work that was dropped, restarts, losses", labels=["event"]
        )
        for name, count in sorted(self._health.counters().items()):
            events.add_metric([name], float(count))
        return [components, events]


class MetricsListener:
    """`GET /metrics` on one address, in a thread; `start` may be tried again."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        self._host = host
        self._port = port
        self._registry = registry
        self._server: socketserver.TCPServer | None = None

    @property
    def is_running(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        """Raises MetricsUnusable."""
        try:
            self._server = _Server((self._host, self._port), _handler(self._registry))
        except OSError as exc:
            raise MetricsUnusable("the address for metrics cannot be listened on", detail=str(exc)) from exc
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Server(socketserver.TCPServer):
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that leaves in the middle is nobody's trouble."""


def _handler(registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != PATH:
                self.send_error(404)
                return
            body = generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Scrapes are not news."""

    return Handler
