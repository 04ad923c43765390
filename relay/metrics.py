"""Everything the relay measures, by name; docs/deploy.md explains what to watch. Counting only, no I/O.

No label names a site or an address: their number is not ours to bound, and who asks when is nobody's business.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
_ROUND_TRIPS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.tunnels = Gauge("wallport_relay_tunnels", "Sites whose tunnel is up", registry=registry)
        self.tunnels_opened = Counter("wallport_relay_tunnels_opened", "Handshakes that succeeded", registry=registry)
        self.tunnels_ended = Counter(
            "wallport_relay_tunnels_ended", "Tunnels that ended, so edges that dial anew", ["reason"], registry=registry
        )
        self.handshakes_failed = Counter(
            "wallport_relay_handshakes_failed", "Edges that were refused", ["reason"], registry=registry
        )
        self.handshake_seconds = Histogram(
            "wallport_relay_handshake_seconds", "From the upgrade to WELCOME", registry=registry
        )
        self.streams = Gauge("wallport_relay_streams", "Requests and websockets under way", registry=registry)
        self.stalled = Gauge(
            "wallport_relay_streams_stalled", "Of these, waiting for somebody to take what came", registry=registry
        )
        self.blocked_seconds = Counter(
            "wallport_relay_window_blocked_seconds",
            "Sum over all streams of the time they were stalled",
            registry=registry,
        )
        self.queued_bytes = Gauge(
            "wallport_relay_queued_bytes", "Content that waits to be sent to edges", registry=registry
        )
        self.requests = Counter("wallport_relay_requests", "Requests carried to sites", ["kind"], registry=registry)
        self.resets = Counter(
            "wallport_relay_streams_reset", "Requests that ended before their answer did", ["error"], registry=registry
        )
        self.refused = Counter(
            "wallport_relay_requests_refused", "Requests answered by the relay", ["code"], registry=registry
        )
        self.waited = Counter(
            "wallport_relay_requests_waited", "Requests that waited for a site that was moving", registry=registry
        )
        self.paced_seconds = Counter(
            "wallport_relay_paced_seconds", "Time bodies waited for their site's share of bytes", registry=registry
        )
        self.first_byte_seconds = Histogram(
            "wallport_relay_first_byte_seconds", "From a request's head to its answer's", registry=registry
        )
        self.overhead_seconds = Histogram(
            "wallport_relay_overhead_seconds", "Of that, inside the relay", buckets=_FAST, registry=registry
        )
        self.rtt_seconds = Histogram(
            "wallport_relay_rtt_seconds", "Round trips to edges, at each beat", buckets=_ROUND_TRIPS, registry=registry
        )
        self.loop_lag_seconds = Gauge(
            "wallport_relay_loop_lag_seconds", "How late the event loop's last timer was", registry=registry
        )
        self.drain_seconds = Gauge(
            "wallport_relay_drain_seconds", "Since the relay was told to stop; 0 before", registry=registry
        )
