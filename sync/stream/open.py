"""The only opener of a log of events."""

from urllib.parse import urlsplit

from sync.errors import FsyncError, did_you_mean
from sync.stream.log import FORMS, EventLog


def open_log(url: str, topic: str, since: int) -> EventLog:
    """`topic`: of Kafka, or the key of a Redis Stream. `since`: the instant to begin at, µs."""
    scheme = urlsplit(url).scheme
    if scheme == "kafka":
        from sync.stream.kafka import KafkaLog

        return KafkaLog(url, topic, since)
    if scheme in ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"):
        from sync.stream.redis_stream import RedisStreamLog

        return RedisStreamLog(url, topic, since)
    raise FsyncError(
        f"cannot read events from '{url}'{did_you_mean(scheme, ['kafka', 'redis'])}; write {FORMS}"
    )
