"""Events from a Redis Stream, each in the field `value` of an entry, or in the only one it has."""

import redis

from sync.errors import FsyncError
from sync.online.connect import RedisUnavailable, connect, redis_failures
from sync.stream.log import MESSAGES, Batch, LogUnavailable

GIVEN = "--from"


class RedisStreamLog:
    def __init__(self, url: str, topic: str, since: int) -> None:
        self._url, self._topic = url, topic
        self._client = connect(url, GIVEN)
        self._last = f"{max(since // 1000 - 1, 0)}-{2**64 - 1}"
        with redis_failures(url, GIVEN):
            try:
                newest = self._client.xrevrange(topic, count=1)
            except redis.ResponseError as error:
                self._client.close()
                raise FsyncError(f"cannot read the Redis Stream {topic}: {error}") from None
        self._end = _parts(newest[0][0].decode()) if newest else (0, 0)

    @property
    def caught_up(self) -> bool:
        return _parts(self._last) >= self._end

    def read(self, seconds: float) -> Batch:
        try:
            with redis_failures(self._url, GIVEN):
                # To block for no time would be for ever.
                streams = self._client.xread(
                    {self._topic: self._last}, count=MESSAGES, block=max(int(seconds * 1000), 1)
                )
        except RedisUnavailable as error:
            raise LogUnavailable(str(error)) from None
        entries = streams[0][1] if streams else []
        if entries:
            self._last = entries[-1][0].decode()
        elif not streams:
            # Entries that stood at its end may have been deleted meanwhile.
            self._end = (0, 0)
        values = [fields.get(b"value", next(iter(fields.values()))) for _, fields in entries]
        return Batch(values, [_parts(name.decode())[0] * 1000 for name, _ in entries])

    def close(self) -> None:
        self._client.close()


def _parts(name: str) -> tuple[int, int]:
    milliseconds, _, number = name.partition("-")
    return int(milliseconds), int(number)
