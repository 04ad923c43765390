"""The simulated openWB as a process of its own, and an MQTT client that keeps what it hears."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion


class Listener:
    """A client that keeps what it hears: the last payload of each topic, and all of them in order."""

    def __init__(self, url: str, *topic_filters: str) -> None:
        self.heard: list[tuple[str, str]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._received
        host, _, port = url.removeprefix("mqtt://").partition(":")
        self._client.connect(host, int(port))
        self._client.subscribe([(topic_filter, 0) for topic_filter in topic_filters])
        self._client.loop_start()

    @property
    def topics(self) -> dict[str, str]:
        return dict(self.heard)

    def say(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain)

    def turn(self, knob: str, payload: str) -> None:
        """Turn one of the simulator's knobs, see docs/simulator.md."""
        self.say(f"simulator/control/{knob}", payload)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload.decode(errors="replace")))


@contextmanager
def listening(url: str, *topic_filters: str) -> Iterator[Listener]:
    """A listener that is closed when the context ends."""
    listener = Listener(url, *topic_filters)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def simulating(
    url: str, *options: str, log_file: Path | None = None, prefix: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """An openWB on this broker, stopped when the context ends; `prefix` is a command that runs it elsewhere."""
    command = [*prefix, sys.executable, "-m", "simulator.app", "--mqtt", url, "--seed", "4", *options]
    with (log_file or Path("/dev/null")).open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def has_everything(topics: dict[str, str]) -> bool:
    """Whether all of a first publishing has been heard, of either generation."""
    return any(heartbeat in topics and len(topics) > count for heartbeat, count in _FIRST_PUBLISHING.items())


_FIRST_PUBLISHING = {"openWB/system/Timestamp": 350, "openWB/system/time": 300}
