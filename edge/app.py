"""Builds the edge from its settings, and holds the order in which its loops start and stop.

The only place where loops meet adapters. Building opens no connection: whatever is down is retried by its loop.
"""

import threading
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from common import logs
from common.clock import Clock
from common.health import Health
from common.metrics import HealthCollector, MetricsListener
from common.model import EdgeHealth
from common.private_folder import make_private
from common.redis_door import openness
from common.store import samples, sessions, tags
from common.store.bind import open_store
from edge.adapters import enrolment
from edge.adapters.cards import StoredCards
from edge.adapters.charge_log_command import ChargeLogCommand
from edge.adapters.enrolment import FileEnrolments
from edge.adapters.local_api import UnixApi
from edge.adapters.mqtt import MqttSource, Private
from edge.adapters.public_url import HttpPublicUrl
from edge.adapters.redis_commands import RedisCommands, RedisWishes
from edge.adapters.redis_mirror import RedisMirror
from edge.adapters.relay_socket import WebsocketsRelay
from edge.adapters.rfid_file import RfidFile
from edge.adapters.rollup_store import StoredRollups
from edge.adapters.session_book import StoredSessions
from edge.adapters.session_file import SessionFile
from edge.adapters.spool import Spool
from edge.adapters.wallbox_web import WallboxWeb
from edge.loops.charge_log import ChargeLogLoop, log_readers
from edge.loops.commands import CommandLoop, Ear
from edge.loops.delivery import DeliveryLoop
from edge.loops.heartbeat import HeartbeatLoop
from edge.loops.metrics import MetricsLoop
from edge.loops.mirror import MirrorLoop
from edge.loops.recorder import RecorderLoop
from edge.loops.rfid import Inbox, RfidLoop
from edge.loops.rollups import RollupLoop
from edge.loops.self_check import SelfCheckLoop
from edge.loops.session_delivery import SessionDelivery
from edge.loops.sessions import SessionLoop
from edge.loops.tunnel import TunnelLoop
from edge.metrics import TunnelCollector
from edge.mirror import Mirror
from edge.openwb import rfid, v1_commands, v2_commands
from edge.openwb.detect import CLUES, DIALECTS, UNDECIDED, Detector
from edge.sessions.supply import Prices
from edge.settings import Settings
from edge.supervisor import Supervisor
from edge.tunnel import Enrolment

PLANNERS = {"1.9": v1_commands.PLANNER, "2.x": v2_commands.PLANNER}

log = logs.get(__name__)


def run(settings: Settings, clock: Clock, stopping: threading.Event) -> list[str]:
    """Run the edge until `stopping` is set; blocks. Answers the names of loops that did not stop in time."""
    health = Health(clock)
    redis = RedisMirror(settings.redis_url)
    inbox = Inbox(health)
    cards_only = Private(rfid.SUBSCRIPTIONS, lambda topic: rfid.generation_of(topic) is not None, inbox.hear)
    if settings.generation is None:
        detector: Detector | None = Detector()
        dialect = UNDECIDED
        source = MqttSource(settings.broker, sorted(CLUES), CLUES.__contains__, health, private=cards_only)
    else:
        detector = None
        dialect = DIALECTS[settings.generation]
        source = MqttSource(settings.broker, dialect.subscriptions(), dialect.is_allowed, health, private=cards_only)
    ear = Ear()
    session_file = SessionFile(settings.data_dir / "sessions.sqlite", health)
    mirror = MirrorLoop(
        *(source, redis, Mirror(dialect), health, clock),
        detector=detector,
        on_heard=ear.hear,
        recall=session_file.load,
    )
    queue = RedisCommands(settings.redis_url, health)
    commands = CommandLoop(queue, source, ear, PLANNERS, mirror.current_state, mirror.announce, health, clock)
    store = open_store(settings.database_url)
    spool = Spool(settings.data_dir / "spool.sqlite", health)
    delivery = DeliveryLoop(spool, partial(samples.insert, store), store.ping, health)
    recorder = RecorderLoop(mirror.current_state, spool, settings.sample_interval_s, health, clock)
    charging = SessionLoop(
        mirror.current_state, session_file, health, clock, Prices(settings.own_price_per_kwh), mirror.announce
    )
    session_delivery = SessionDelivery(
        session_file,
        partial(sessions.upsert, store),
        partial(tags.owner_of, store),
        health,
        on_stored=charging.note_stored,
    )
    wishes = RedisWishes(settings.redis_url)
    cards = RfidLoop(
        inbox,
        RfidFile(settings.data_dir / "rfid.json"),
        StoredCards(store),
        wishes,
        mirror.current_state,
        [charging.note_scan],
        {generation: planner.site_wide for generation, planner in PLANNERS.items()},
        settings.time_zone,
        health,
        clock,
        announce=mirror.announce,
        on_discard=[charging.note_discard],
    )
    rollups = RollupLoop(
        StoredRollups(store, settings.time_zone),
        settings.sample_interval_s,
        settings.time_zone,
        settings.keep_days,
        health,
        clock,
    )
    fetch = WallboxWeb(settings.openwb_url).read if settings.openwb_url is not None else None
    readers = log_readers(ChargeLogCommand(source).read, fetch, settings.time_zone)
    book = StoredSessions(store)
    charge_log = ChargeLogLoop(
        readers,
        mirror.current_state,
        book,
        settings.time_zone,
        health,
        clock,
        owner_of=partial(tags.owner_of, store),
        undelivered=session_file.undelivered,
    )
    enrolments = FileEnrolments(settings.data_dir)
    tunnel = TunnelLoop(enrolments, WebsocketsRelay(settings.relay_ca_file), UnixApi(settings.api_socket), health)
    self_check = SelfCheckLoop(tunnel, enrolments.key, HttpPublicUrl(settings.relay_ca_file), health)
    supervisor = Supervisor(health)
    # Stopped in reverse: what feeds a loop stops after it, and the heartbeat tells of the others until the end.
    supervisor.add("heartbeat", HeartbeatLoop(redis, health, clock, partial(openness, settings.redis_url)).run)
    supervisor.add("mirror", mirror.run, stop_within_s=5.0)  # a write to a frozen Redis lasts as long as its timeouts
    supervisor.add("mqtt", source.run, stop_within_s=6.0)  # connecting cannot be cut short
    supervisor.add("commands", commands.run, stop_within_s=5.0)  # a frozen Redis, or a broker that does not answer
    supervisor.add("rfid", cards.run, stop_within_s=5.0)  # a frozen Redis, or a unit of work on a slow database
    supervisor.add("rollups", rollups.run, stop_within_s=5.0)  # a unit of work on a slow database
    supervisor.add("delivery", delivery.run, stop_within_s=5.0)  # a unit of work on a slow database
    supervisor.add("session_delivery", session_delivery.run, stop_within_s=5.0)
    supervisor.add("recorder", recorder.run)
    supervisor.add("sessions", charging.run)
    supervisor.add("charge_log", charge_log.run, stop_within_s=9.0)  # a slow web server, a slow database
    supervisor.add("tunnel", tunnel.run, stop_within_s=8.0)  # says goodbye, and lets requests under way break off
    supervisor.add("self_check", self_check.run)
    if settings.metrics is not None:
        supervisor.add("metrics", MetricsLoop(_metrics_listener(*settings.metrics, tunnel, health), health).run)
    _prepare(settings.data_dir)
    log.info("edge_started", site=settings.site_name)
    hanging = supervisor.run_until(stopping)
    if not hanging:  # else somebody may still use them
        spool.close()
        session_file.close()
        store.close()
        queue.close()
        wishes.close()
        redis.close()
    log.info("edge_stopped", hanging=",".join(hanging) or None)
    return hanging


def _metrics_listener(host: str, port: int, tunnel: TunnelLoop, health: Health) -> MetricsListener:
    registry = CollectorRegistry()
    registry.register(HealthCollector(health))
    registry.register(TunnelCollector(tunnel.figures, health.counters))
    return MetricsListener(host, port, registry)


def enrol(settings: Settings, relay_url: str, code: str) -> Enrolment:
    """Make this site known to a relay; a running edge notices. Raises what `edge.adapters.enrolment.enrol` raises."""
    return enrolment.enrol(relay_url, code, settings.data_dir, settings.relay_ca_file)


def rotate_key(settings: Settings) -> Enrolment:
    """Change the edge's key; a running edge notices. Raises what `edge.adapters.enrolment.rotate_key` raises."""
    return enrolment.rotate_key(settings.data_dir, settings.relay_ca_file)


def _prepare(data_dir: Path) -> None:
    try:
        make_private(data_dir)
    except OSError as exc:  # everything but what is kept there goes on; the spool's health says so
        log.warning("data_dir_failed", reason=exc.strerror)


def read_health(settings: Settings) -> EdgeHealth | None:
    """What the running edge says of itself; None when none is running. Raises RedisUnavailable."""
    redis = RedisMirror(settings.redis_url)
    try:
        return redis.read_health()
    finally:
        redis.close()
