"""Events from all partitions of a Kafka topic, by librdkafka."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sync.errors import FsyncError
from sync.instants import now
from sync.stream.log import FORMS, MESSAGES, Batch, LogUnavailable, without_settings

try:
    from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, TopicPartition
except ModuleNotFoundError:
    raise FsyncError("reading from Kafka needs confluent-kafka; run `pip install 'fsync[stream]'`") from None

# To connect, and to ask for offsets.
SECONDS = 10


class KafkaLog:
    """`url`: `kafka://host:9092,host:9092`; its query holds further settings of librdkafka."""

    def __init__(self, url: str, topic: str, since: int) -> None:
        parsed = urlsplit(url)
        if not parsed.netloc or parsed.path.strip("/"):
            raise FsyncError(f"'{without_settings(url)}' names no broker; write {FORMS}")
        self._where = f"Kafka at {parsed.netloc}"
        settings: dict[str, Any] = {
            "bootstrap.servers": parsed.netloc,
            # Asked for by librdkafka, though there is no offset to keep: it reads from an instant on.
            "group.id": "fsync",
            **dict(parse_qsl(parsed.query)),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # What it cannot reach is told by a read.
            "log_level": 0,
        }
        try:
            self._consumer = Consumer(settings, error_cb=self._failed)
        except KafkaException as error:
            raise FsyncError(f"{self._where}: {_words(error)}") from None
        self._error: KafkaError | None = None
        self._behind: set[int] = set()
        try:
            self._assign(topic, since)
        except KafkaException as error:
            self._consumer.close()
            raise FsyncError(f"{self._where}: {_words(error)}") from None
        except FsyncError:
            self._consumer.close()
            raise

    @property
    def caught_up(self) -> bool:
        return not self._behind

    def read(self, seconds: float) -> Batch:
        self._error = None
        messages: list[Any] = self._consumer.consume(MESSAGES, timeout=seconds)
        events = [message for message in messages if message.error() is None and message.value() is not None]
        for message in messages:
            self._learn(message)
        if not events and self._error is not None:
            raise LogUnavailable(f"{self._where}: {self._error.str()}")
        return Batch([message.value() for message in events], [_arrival(message) for message in events])

    def close(self) -> None:
        self._consumer.close()

    def _assign(self, topic: str, since: int) -> None:
        partitions = self._consumer.list_topics(topic, timeout=SECONDS).topics[topic]
        if partitions.error is not None or not partitions.partitions:
            reason = partitions.error.str() if partitions.error else "it has no partition"
            raise FsyncError(f"{self._where} cannot read the topic {topic}: {reason}")
        asked = [TopicPartition(topic, number, since // 1000) for number in partitions.partitions]
        found = self._consumer.offsets_for_times(asked, timeout=SECONDS)
        for place in found:
            if place.offset < 0:  # It has no message of so late.
                _, place.offset = self._consumer.get_watermark_offsets(place, timeout=SECONDS)
        self._behind = set(partitions.partitions)
        self._consumer.assign(found)

    def _failed(self, error: "KafkaError") -> None:
        self._error = error

    def _learn(self, message: Any) -> None:
        error = message.error()
        if error is None:
            return
        if error.code() == KafkaError._PARTITION_EOF:
            self._behind.discard(message.partition())
        else:
            self._error = error


def _arrival(message: Any) -> int:
    """µs; of a message of before Kafka 0.10, now."""
    kind, milliseconds = message.timestamp()
    return now() if kind == TIMESTAMP_NOT_AVAILABLE else int(milliseconds) * 1000


def _words(error: "KafkaException") -> str:
    reason = error.args[0]
    return reason.str() if isinstance(reason, KafkaError) else str(reason)
