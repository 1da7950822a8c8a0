"""The only opener of a log of events."""

from urllib.parse import urlsplit

from sync.errors import FsyncError, did_you_mean
from sync.stream.log import FORMS, EventLog, without_settings


def open_log(url: str, topic: str, since: int) -> EventLog:
    """`topic`: of Kafka, or the key of a Redis Stream. `since`: the instant to begin at, µs."""
    scheme = urlsplit(url).scheme
    if scheme == "kafka":
        from sync.stream.kafka import KafkaLog

        return KafkaLog(url, topic, since)
    if scheme in ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"):
        from sync.stream.redis_stream import RedisStreamLog

        return RedisStreamLog(url, topic, since)
    meant = did_you_mean(scheme, ["kafka", "redis"])
    raise FsyncError(f"cannot read events from '{without_settings(url)}'{meant}; write {FORMS}")
