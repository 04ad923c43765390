"""The simulator's connection to the broker (paho-mqtt, MQTT 3.1.1, clean session).

paho's network thread only puts things into a bounded inbox; one other thread takes them out and publishes. An exception
in a paho callback would end its thread unseen, so the callbacks do nothing that can raise.
"""

import queue
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from common import logs
from common.clock import SystemClock
from common.errors import FieldError
from common.health import Health, Status

INBOX_SIZE = 1000  # commands come from people; a thousand at once is no person
KEEPALIVE_S = 30
LONGEST_RETRY_DELAY_S = 8  # paho's own backoff, from 1 s

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """The session is up and subscribed; the broker may have forgotten everything."""


@dataclass(frozen=True, slots=True)
class Inbound:
    topic: str
    payload: bytes


class MqttPort:
    """A connection that comes back by itself. Use as a context manager; `publish` and `take` from one thread."""

    def __init__(self, url: str, client_id: str, filters: tuple[str, ...], health: Health | None = None) -> None:
        """`url` is mqtt://[user:password@]host[:port]; raises FieldError for anything else. Does not connect yet."""
        parts = urlsplit(url)
        try:
            port = parts.port or 1883
        except ValueError:
            port = 0
        if parts.scheme != "mqtt" or not parts.hostname or port == 0:
            raise FieldError("bad broker URL", {"mqtt": "must be a URL like mqtt://127.0.0.1:1883"})
        self._address = (parts.hostname, port)
        self._filters = filters
        self._health = health or Health(SystemClock())
        self._inbox: queue.Queue[Connected | Inbound] = queue.Queue(INBOX_SIZE)
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True, protocol=MQTTv311)
        if parts.username is not None:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        self._client.reconnect_delay_set(1, LONGEST_RETRY_DELAY_S)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._connecting_failed
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received

    def __enter__(self) -> "MqttPort":
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def take(self, timeout_s: float) -> Connected | Inbound | None:
        """The next thing that arrived; None when nothing did within `timeout_s`."""
        try:
            return self._inbox.get(timeout=timeout_s) if timeout_s > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def publish(self, topic: str, payload: str, qos: int, *, retain: bool) -> None:
        """Hand a message to paho. While the broker is away it is lost; `Connected` tells when to say all."""
        if self._client.is_connected():
            self._client.publish(topic, payload.encode(), qos=qos, retain=retain)

    def subscribe(self, filters: tuple[str, ...]) -> None:
        """Hear more topics, for as long as this session lasts."""
        self._client.subscribe([(topic_filter, 0) for topic_filter in filters])

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        self._client.unsubscribe(list(filters))

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        if reason.is_failure:
            self._failed(f"the broker refused: {reason}")
            return
        client.subscribe([(topic_filter, 2) for topic_filter in self._filters])
        self._put(Connected())
        if self._health.report("mqtt", Status.OK):
            log.info("broker_connected", host=self._address[0], port=self._address[1])

    def _connecting_failed(self, _client: Client, _data: object) -> None:
        self._failed("the broker does not answer")

    def _disconnected(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        if reason.is_failure:
            self._failed(f"the connection broke: {reason}")

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._health.count("mqtt.bad_topics")
            return
        self._put(Inbound(topic, bytes(message.payload)))

    def _put(self, item: Connected | Inbound) -> None:
        try:
            self._inbox.put_nowait(item)
        except queue.Full:
            self._health.count("mqtt.inbox_dropped")

    def _failed(self, detail: str) -> None:
        has_changed = self._health.report("mqtt", Status.FAILING, detail)
        (log.warning if has_changed else log.debug)("broker_unavailable", detail=detail)
