"""Builds the edge from its settings, and holds the order in which its loops start and stop.

The only place where loops meet adapters. Building opens no connection: whatever is down is retried by its loop.
"""

import threading

from common import logs
from common.clock import Clock
from common.health import Health
from common.model import EdgeHealth
from edge.adapters.mqtt import MqttSource
from edge.adapters.redis_mirror import RedisMirror
from edge.loops.heartbeat import HeartbeatLoop
from edge.loops.mirror import MirrorLoop
from edge.mirror import Mirror
from edge.openwb import v1
from edge.settings import Settings
from edge.supervisor import Supervisor

log = logs.get(__name__)


def run(settings: Settings, clock: Clock, stopping: threading.Event) -> None:
    """Run the edge until `stopping` is set; blocks."""
    health = Health(clock)
    redis = RedisMirror(settings.redis_url)
    source = MqttSource(settings.broker, v1.DIALECT.subscriptions(), v1.DIALECT.is_allowed, health)
    mirror = MirrorLoop(source, redis, Mirror(v1.DIALECT), health, clock)
    supervisor = Supervisor(health)
    # Stopped in reverse: what feeds a loop stops after it, and the heartbeat tells of the others until the end.
    supervisor.add("heartbeat", HeartbeatLoop(redis, health, clock).run)
    supervisor.add("mirror", mirror.run, stop_within_s=5.0)  # a write to a frozen Redis lasts as long as its timeouts
    supervisor.add("mqtt", source.run, stop_within_s=6.0)  # connecting cannot be cut short
    log.info("edge_started", site=settings.site_name)
    hanging = supervisor.run_until(stopping)
    redis.close()
    log.info("edge_stopped", hanging=",".join(hanging) or None)


def read_health(settings: Settings) -> EdgeHealth | None:
    """What the running edge says of itself; None when none is running. Raises RedisUnavailable."""
    redis = RedisMirror(settings.redis_url)
    try:
        return redis.read_health()
    finally:
        redis.close()
