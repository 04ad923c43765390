"""The wallbox's broker: one MQTT 3.1.1 session with a clean start, subscribed to the allow-list.

The one file that knows paho. `MqttSource.run` is a supervised loop of its own; `take` hands the messages to the mirror
loop, with a buffer by topic between them; `publish` is for the command loop. Nothing a broker sends raises out of a
callback, since an exception there would end paho's work silently.
"""

import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from common import logs
from common.backoff import Backoff
from common.clock import uptime_s
from common.errors import BrokerUnavailable
from common.health import Health, Status
from common.unreachable import clause
from edge.adapters.mqtt_tls import contexts
from edge.commands import NotSent, Unacknowledged
from edge.settings import BrokerAddress

COMPONENT = "mqtt"

LONGEST_PAYLOAD = 64 * 1024  # bytes; nothing on the allow-list comes near
MOST_TOPICS = 10_000  # that wait at once: twice what the mirror keeps; whoever floods the broker with more is not heard
LONGEST_ASIDE = 4 * 1024 * 1024  # bytes; a busy month of the charge log has some 200 KiB
LARGEST_BATCH = 500  # topics; more in one pipeline gains nothing and makes Redis' other clients wait
COLLECT_S = 0.05  # a control loop publishes its values within about this; far below the second an app may notice
KEEPALIVE_S = 20  # a dead line is noticed after 1.5 times this
SLICE_S = 0.5  # how soon a stop is noticed
CONNECT_TIMEOUT_S = 5.0
ACKNOWLEDGED_WITHIN_S = 2.0  # a broker in the house answers in milliseconds
WITHDRAWN_WITHIN_S = ACKNOWLEDGED_WITHIN_S + SLICE_S  # from handing over a message until nothing can carry it any more

log = logs.get(__name__)


class TopicBuffer:
    """Messages that wait for the mirror loop: of each topic the newest, in the order in which topics came up.

    At most MOST_TOPICS, and only those of the allow-list, which has a few hundred on an ordinary wallbox.
    """

    def __init__(self) -> None:
        self._arrived = threading.Condition()  # guards the map; held for a dictionary operation only
        self._messages: dict[str, bytes] = {}
        self._is_woken = False

    def put(self, topic: str, payload: bytes) -> bool:
        """False: there was no room."""
        with self._arrived:
            if len(self._messages) >= MOST_TOPICS and topic not in self._messages:
                return False
            self._messages[topic] = payload
            if len(self._messages) in (1, LARGEST_BATCH):
                self._arrived.notify()
            return True

    def clear(self) -> None:
        with self._arrived:
            self._messages = {}

    def wake(self) -> None:
        """End a `take` that waits, or the next one."""
        with self._arrived:
            self._is_woken = True
            self._arrived.notify()

    def take(self, timeout_s: float) -> dict[str, bytes]:
        """What came within COLLECT_S of the first message, at most LARGEST_BATCH topics; empty after `timeout_s`."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._messages or self._is_woken, timeout_s)
            self._is_woken = False
            if not self._messages:
                return {}
            self._arrived.wait_for(lambda: len(self._messages) >= LARGEST_BATCH, COLLECT_S)
            if len(self._messages) <= LARGEST_BATCH:
                batch, self._messages = self._messages, {}
                return batch
            topics = list(self._messages)[:LARGEST_BATCH]
            return {topic: self._messages.pop(topic) for topic in topics}


@dataclass(frozen=True, slots=True)
class Private:
    """Topics that go past the buffer, and so past mirror, state and log, to one listener: every message, in order.

    `hear` gets topic, payload and whether the broker had retained it; it is called in the session's thread, and must
    neither block nor raise.
    """

    subscriptions: Sequence[str]
    is_private: Callable[[str], bool]
    hear: Callable[[str, bytes, bool], None]


class MqttSource:
    """Keeps a session with the broker, whatever the broker does."""

    def __init__(
        self,
        address: BrokerAddress,
        subscriptions: Sequence[str],
        is_allowed: Callable[[str], bool],
        health: Health,
        backoff: Backoff | None = None,
        private: Private | None = None,
    ) -> None:
        self._private = private
        self._address = address
        self._subscriptions = tuple(subscriptions)
        self._is_allowed = is_allowed
        self._health = health
        # Half a second to a quarter of a minute: a restarted broker is back in seconds, and a try costs little.
        self._backoff = backoff or Backoff(first_s=0.5, longest_s=15.0)
        self._buffer = TopicBuffer()
        self._refusal: str | None = None
        self._session: paho.Client | None = None  # while subscribed; set by the loop's thread, read by any
        self._listening_since: float | None = None
        self._abandoned: paho.Client | None = None
        self._is_retuned = False
        self._aside: dict[str, Callable[[bytes], None]] = {}
        # Two with one id would throw each other out for ever.
        self.client_id = f"wallport-{secrets.token_hex(6)}"

    def hear_aside(self, topic: str, hear: Callable[[bytes], None]) -> None:
        """Subscribe to one more topic, whose payloads go to `hear` alone and are mirrored nowhere. Before `run`.

        `hear` is called in the thread of `run`, with LONGEST_ASIDE bytes at most; it must neither block nor raise.
        """
        self._aside[topic] = hear

    def listen(self, subscriptions: Sequence[str], is_allowed: Callable[[str], bool]) -> None:
        """Listen to these topics in place of the others: in a new session, as it brings what the broker retained."""
        self._subscriptions, self._is_allowed = tuple(subscriptions), is_allowed
        self._session = self._listening_since = None
        self._buffer.clear()
        self._is_retuned = True

    def listening_since(self) -> float | None:
        """The uptime at which the present session was subscribed; None while there is none."""
        return self._listening_since

    def publish(self, topic: str, payload: str, until: float) -> None:
        """Hand one message to the broker, QoS 1, not retained; returns when the broker has it. Blocks for 2 s at most.

        `until` is in uptime. Raises NotSent when nothing went out: there is no session, or too little time. Raises
        Unacknowledged when nobody knows; then the session is cut, so that nothing goes out later.
        """
        session = self._session
        if session is None:
            raise NotSent("there was no connection to the wallbox's broker")
        if uptime_s() >= until - WITHDRAWN_WITHIN_S:
            raise NotSent("its deadline was too near")
        _discard_on_close(session, is_wanted=True)
        handed = session.publish(topic, payload.encode("utf-8"), qos=1, retain=False)
        try:
            handed.wait_for_publish(ACKNOWLEDGED_WITHIN_S)
            if handed.is_published():
                _discard_on_close(session, is_wanted=False)
                return
            why = None
        except (RuntimeError, ValueError) as exc:  # paho's words for a connection that broke, and for a full queue
            why = str(exc)
        self._abandoned = session
        raise Unacknowledged("the wallbox's broker did not acknowledge it", detail=why)

    def take(self, timeout_s: float) -> dict[str, bytes]:
        """The next batch, newest payload by topic; empty when nothing came for `timeout_s`, or after `wake`."""
        return self._buffer.take(timeout_s)

    def wake(self) -> None:
        """End a `take` that waits; may be called from any thread."""
        self._buffer.wake()

    def run(self, stop: threading.Event) -> None:
        """Connect, listen, and connect again, until `stop`."""
        self._health.report(COMPONENT, Status.STARTING)
        while not stop.is_set():
            try:
                self._listen(stop)
            except BrokerUnavailable as exc:
                delay_s = self._backoff.next_delay_s()
                changed = self._health.report(COMPONENT, Status.FAILING, exc.message)
                tell = log.warning if changed else log.debug  # the first failure loudly, its repeats quietly
                tell("broker_lost", why=exc.message, detail=exc.detail, retry_s=round(delay_s, 1))
                stop.wait(delay_s)

    def _listen(self, stop: threading.Event) -> None:
        """One session; ends at `stop` and when other topics are wanted, else raises BrokerUnavailable."""
        self._refusal, self._is_retuned = None, False
        client = self._connect()
        try:
            result = MQTTErrorCode.MQTT_ERR_SUCCESS
            while not (stop.is_set() or self._is_retuned or self._abandoned is client or self._refusal or result):
                result = client.loop(timeout=SLICE_S)
        finally:
            self._session = self._listening_since = None
            if self._abandoned is client:
                _cut(client)
            client.disconnect()
            client.loop_write()
        if self._refusal is not None:
            raise BrokerUnavailable(self._refusal)
        if self._abandoned is client:
            raise BrokerUnavailable("the MQTT broker did not acknowledge a message")
        if not (stop.is_set() or self._is_retuned):
            raise BrokerUnavailable("the MQTT broker closed the connection", detail=paho.error_string(result))

    def _connect(self) -> paho.Client:
        untrusted: ssl.SSLCertVerificationError | None = None
        try:
            ways = tuple(contexts(self._address.ca_file)) if self._address.is_tls else (None,)
        except OSError as exc:
            raise BrokerUnavailable("the MQTT broker's certificate file cannot be used", detail=repr(exc)) from exc
        try:
            for context in ways:
                client = self._client(context)
                try:
                    client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
                except ssl.SSLCertVerificationError as exc:
                    untrusted = untrusted or exc
                else:
                    return client
        except (OSError, ValueError) as exc:
            raise BrokerUnavailable(f"the MQTT broker cannot be reached{clause(exc)}", detail=repr(exc)) from exc
        why = clause(untrusted) if untrusted is not None else ""
        message = f"the MQTT broker's certificate is not trusted{why}"
        raise BrokerUnavailable(message, detail=repr(untrusted)) from untrusted

    def _client(self, context: ssl.SSLContext | None) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if context is not None:
            client.tls_set_context(context)
            client.tls_insecure_set(not context.check_hostname)  # else paho would match the name itself
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        # With this hook paho leaves all writing to the thread that calls `loop`, also when another one publishes.
        client.on_socket_register_write = lambda *_: None
        return client

    def _on_connect(
        self,
        client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refusal = _refusal(reason.getName(), is_nameless=self._address.username is None)
            return
        private = self._private.subscriptions if self._private is not None else ()
        client.subscribe([(topic, 0) for topic in (*self._subscriptions, *self._aside, *private)])

    def _on_subscribe(
        self, client: paho.Client, _userdata: object, _mid: int, granted: list[ReasonCode], _: Properties | None
    ) -> None:
        granted = granted[: len(granted) - len(self._aside)]  # without what is heard aside all else works
        refused = sum(1 for reason in granted if reason.is_failure)
        if refused == len(granted):
            self._refusal = "the MQTT broker refused every subscription"
            return
        self._backoff.reset()
        self._session, self._listening_since = client, uptime_s()
        detail = f"{refused} of {len(granted)} subscriptions refused" if refused else None
        if self._health.report(COMPONENT, Status.FAILING if refused else Status.OK, detail):
            log.info("broker_connected", host=self._address.host, refused=refused)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
            if topic in self._aside:
                self._hear_aside(self._aside[topic], bytes(message.payload))
            elif self._private is not None and self._private.is_private(topic):
                self._private.hear(topic, bytes(message.payload), bool(message.retain))
            elif not self._is_allowed(topic):
                self._health.count("mqtt_dropped_not_allowed")
            elif len(message.payload) > LONGEST_PAYLOAD:
                self._health.count("mqtt_dropped_too_big")
            elif not self._buffer.put(topic, bytes(message.payload)):
                self._health.count("mqtt_dropped_too_many_topics")
        except Exception as exc:  # noqa: BLE001 - one bad message never stops the loop (house style: one inbound message)
            self._health.count("mqtt_dropped_broken")
            log.debug("message_dropped", error=exc)

    def _hear_aside(self, hear: Callable[[bytes], None], payload: bytes) -> None:
        if len(payload) > LONGEST_ASIDE:
            self._health.count("mqtt_dropped_too_big")
        else:
            hear(payload)


def _refusal(reason: str, *, is_nameless: bool) -> str:
    """What to tell of a session that was refused. Brokers say one or the other for a wrong password."""
    if reason not in ("Bad user name or password", "Not authorized"):
        return f"the MQTT broker refused the session: {reason}"
    if is_nameless:
        return "the MQTT broker asks for a user name and a password"
    return "the MQTT broker refused the user name or the password"


def _discard_on_close(client: paho.Client, *, is_wanted: bool) -> None:
    """Whether the kernel throws away what is not delivered when the connection is closed, or goes on trying."""
    connection = client.socket()
    if isinstance(connection, socket.socket):
        with suppress(OSError):  # closed meanwhile
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", is_wanted, 0))


def _cut(client: paho.Client) -> None:
    """Close the connection without another word."""
    connection = client.socket()
    if isinstance(connection, socket.socket):
        connection.close()
