"""Commands sent without waiting for each answer, with few of them on their way at once."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sync.online.connect import node_of


class Speed(NamedTuple):
    """Rows of a command, commands on their way, and threads that read and render (None: one a core)."""

    rows: int
    in_flight: int
    threads: int | None = None


# Behind two small batches readers wait no longer than they do otherwise; behind more and larger ones Redis is
# busiest. A Redis on the same machine wants a core for itself.
THROTTLED = Speed(50, 2, max((os.cpu_count() or 1) // 2, 1))
MAXIMUM = Speed(200, 8)


class Pipe:
    """To the node that holds a key. A pipe that fails is closed: answers on their way are nobody's."""

    def __init__(self, client: Any, key: str, in_flight: int) -> None:
        self._pool = node_of(client, key).connection_pool
        self._connection: Any = self._pool.get_connection()
        self._room = in_flight
        self._waiting: deque[Callable[[Any], None]] = deque()

    def __enter__(self) -> "Pipe":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self.drain()
        finally:
            if self._waiting:
                self._connection.disconnect()
            self._pool.release(self._connection)

    def send(self, command: bytes, then: Callable[[Any], None]) -> None:
        while len(self._waiting) >= self._room:
            self._settle()
        self._waiting.append(then)
        self._connection.send_packed_command([command], check_health=False)

    def send_together(self, commands: Sequence[bytes], then: Callable[[Any], None]) -> None:
        """All of them or, if this process is killed meanwhile, none; `then` gets the first one's answer."""
        for command in (packed("MULTI"), *commands):
            self.send(command, lambda _queued: None)
        self.send(packed("EXEC"), lambda answers: then(answers[0]))

    def drain(self) -> None:
        while self._waiting:
            self._settle()

    def _settle(self) -> None:
        answer = self._connection.read_response()
        then = self._waiting.popleft()
        if isinstance(answer, Exception):
            # More answers are on their way.
            self._waiting.append(then)
            raise answer
        then(answer)


def packed(*arguments: "str | bytes", rows: "bytes | memoryview" = b"", strings: int = 0) -> bytes:
    """A command of RESP bulk strings, of which the last `strings` are rendered already."""
    parts = [argument.encode() if isinstance(argument, str) else argument for argument in arguments]
    head = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"".join((b"*%d\r\n" % (len(parts) + strings), head, rows))
