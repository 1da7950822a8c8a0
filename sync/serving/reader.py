"""Reads rows: of one instant, and only while the metas are the ones that the plans were made of.

What is asked in one turn of the loop is read together, and what several requests ask of a view is
judged and decoded at once: that costs little more than one of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from sync.errors import FsyncError
from sync.instants import now
from sync.serving.found import Found
from sync.serving.plan import ViewPlan
from sync.serving.read import EXEC, MULTI, Read, executed
from sync.serving.redis_pipe import RedisDown
from sync.serving.scatter import scatter
from sync.serving.servers import Servers

# Rows: a request for more is read by itself, and no more of several at once. So nobody waits long, and Redis
# has work while others are answered here.
LARGE, MOST = 50, 100


# A view, and the field of each entity in it.
Lookup = tuple[ViewPlan, Sequence[str]]
# Given what each lookup found, or why there is nothing. It raises nothing.
Done = Callable[["list[Found] | FsyncError"], None]


class _Asked(NamedTuple):
    lookups: Sequence[Lookup]
    as_of: int | None
    done: Done


class Reader:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._turn: list[_Asked] = []
        self._count = 0

    def ask(self, lookups: Sequence[Lookup], as_of: int | None, done: Done) -> None:
        """`as_of` None: now."""
        asked = _Asked(lookups, as_of, done)
        count = sum([len(fields) for _, fields in lookups])
        if count > LARGE:
            self._send([asked])
            return
        if not self._turn:
            asyncio.get_running_loop().call_soon(self._send_turn)
        self._turn.append(asked)
        self._count += count
        if self._count >= MOST:
            self._send_turn()

    def _send_turn(self) -> None:
        turn, self._turn, self._count = self._turn, [], 0
        if turn:
            self._send(turn)

    def _send(self, turn: list[_Asked]) -> None:
        instant = now()
        reads: dict[tuple[int, int | None], Read] = {}
        for lookups, as_of, _ in turn:
            for view, fields in lookups:
                key = (id(view), as_of)
                read = reads.get(key)
                if read is None:
                    reads[key] = read = Read(view, instant if as_of is None else as_of)
                read.fields += fields
        if self._servers.only is None:
            scatter(self._servers, list(reads.values()), partial(self._tell, turn, reads))
            return
        commands = [command for read in reads.values() for command in read.commands()]
        arrived = partial(self._arrived, turn, reads)
        if commands:
            self._servers.only.send(b"".join([MULTI, *commands, EXEC]), len(commands) + 2, arrived)
        else:
            arrived([[]])

    def _arrived(
        self,
        turn: list[_Asked],
        reads: "dict[tuple[int, int | None], Read]",
        replies: "list[Any] | RedisDown",
    ) -> None:
        try:
            answers = iter(executed(replies))
        except FsyncError as error:
            for asked in turn:
                asked.done(error)
            return
        for read in reads.values():
            read.take([next(answers) for _ in range(read.count)])
        self._tell(turn, reads)

    def _tell(self, turn: list[_Asked], reads: "dict[tuple[int, int | None], Read]") -> None:
        for lookups, as_of, done in turn:
            try:
                found = [reads[id(view), as_of].next(len(fields)) for view, fields in lookups]
            except FsyncError as error:
                done(error)
            else:
                done(found)
