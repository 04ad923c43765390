"""Between broker and mirror: newest by topic, bounded batches."""

import threading

from edge.adapters.mqtt import LARGEST_BATCH, TopicBuffer


def test_of_each_topic_the_newest_is_taken() -> None:
    """A burst costs one entry a topic."""
    buffer = TopicBuffer()
    for number in range(1000):
        buffer.put("a", b"%d" % number)
    buffer.put("b", b"x")
    assert buffer.take(1) == {"a": b"999", "b": b"x"}
    assert buffer.take(0) == {}


def test_a_batch_is_bounded_and_nothing_is_lost() -> None:
    """What does not fit comes next, in order."""
    buffer = TopicBuffer()
    for number in range(LARGEST_BATCH + 3):
        buffer.put(str(number), b"")
    assert list(buffer.take(1)) == [str(number) for number in range(LARGEST_BATCH)]
    assert len(buffer.take(1)) == 3


def test_a_message_ends_the_wait() -> None:
    """The mirror loop sleeps until something comes."""
    buffer = TopicBuffer()
    taken: list[dict[str, bytes]] = []
    thread = threading.Thread(target=lambda: taken.append(buffer.take(10)))
    thread.start()
    buffer.put("a", b"1")
    thread.join(5)
    assert taken == [{"a": b"1"}]
