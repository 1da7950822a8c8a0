"""Reads from a Redis Cluster, where no transaction spans slots.

A view that is in one slot is read in a transaction. Of one in several, the meta is asked for after all rows:
what was current then was so before, since it tells of each sync. So the rows of a view are of one definition;
those of several views need not be of one instant.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sync.errors import FsyncError
from sync.serving.read import EXEC, MULTI, Read, executed
from sync.serving.redis_pipe import RedisDown
from sync.serving.servers import Servers


def scatter(servers: Servers, reads: Sequence[Read], done: Callable[[], None]) -> None:
    """`done` is called once each has what was found, or why there is nothing."""
    left = len(reads)

    def one_less() -> None:
        nonlocal left
        left -= 1
        if not left:
            done()

    for read in reads:
        commands = read.commands()
        if not commands:
            read.take([])
            one_less()
        elif len(read.view.rows) == 1:
            _in_one_slot(servers, read, b"".join([MULTI, *commands, EXEC]), one_less)
        else:
            _Shards(servers, read, commands, one_less).send()
    if not reads:
        done()


def _in_one_slot(servers: Servers, read: Read, commands: bytes, done: Callable[[], None]) -> None:
    def arrived(replies: "list[Any] | RedisDown") -> None:
        try:
            read.take(executed(replies))
        except FsyncError as error:
            read.fail(error)
        done()

    servers.send(read.keys[0], commands, 4, arrived)


class _Shards:
    def __init__(
        self, servers: Servers, read: Read, commands: Sequence[bytes], done: Callable[[], None]
    ) -> None:
        self._servers, self._read, self._done = servers, read, done
        self._check, *self._commands = commands
        self._left = len(self._commands)
        self._rows: list[Any] = [None] * self._left

    def send(self) -> None:
        for place, (key, command) in enumerate(zip(self._read.keys, self._commands, strict=True)):
            self._servers.send(key, command, 1, partial(self._arrived, place))

    def _arrived(self, place: int, replies: "list[Any] | RedisDown") -> None:
        self._rows[place] = replies
        self._left -= 1
        if self._left:
            return
        for answer in self._rows:
            if isinstance(answer, RedisDown):
                self._read.fail(answer)
                self._done()
                return
        # The meta lies with the rows of shard 0.
        self._servers.send(self._read.view.rows[0], self._check, 1, self._checked)

    def _checked(self, replies: "list[Any] | RedisDown") -> None:
        if isinstance(replies, RedisDown):
            self._read.fail(replies)
        else:
            self._read.take([replies[0], *[rows[0] for rows in self._rows]])
        self._done()
