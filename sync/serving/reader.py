"""Reads rows: of one instant, and only while the metas are the ones that the plans were made of.

What is asked in one turn of the loop is read together, and what several requests ask of a view is
judged and decoded at once: that costs little more than one of them.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import hiredis

from sync.errors import FsyncError
from sync.instants import now
from sync.online.layout import by_shard
from sync.serving.found import Found, judged
from sync.serving.plan import ViewPlan
from sync.serving.redis_pipe import RedisDown, RedisPipe, pack, refused

# Rows: a request for more is read by itself, and no more of several at once. So nobody waits long, and Redis
# has work while others are answered here.
LARGE, MOST = 50, 100
_MULTI = pack("MULTI")
_EXEC = pack("EXEC")


class PlanOutdated(FsyncError):
    """A view was synced since its meta was read: the plan must be made again."""


# A view, and the field of each entity in it.
Lookup = tuple[ViewPlan, Sequence[str]]
# Given what each lookup found, or why there is nothing. It raises nothing.
Done = Callable[["list[Found] | FsyncError"], None]


class _Asked(NamedTuple):
    lookups: Sequence[Lookup]
    as_of: int | None
    done: Done


class Reader:
    def __init__(self, redis: RedisPipe) -> None:
        self._redis = redis
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
        reads: dict[tuple[int, int | None], _Read] = {}
        for lookups, as_of, _ in turn:
            for view, fields in lookups:
                key = (id(view), as_of)
                read = reads.get(key)
                if read is None:
                    reads[key] = read = _Read(view)
                read.fields += fields
        commands = [command for read in reads.values() for command in read.commands()]
        arrived = partial(self._arrived, turn, reads, now())
        if commands:
            self._redis.send(b"".join([_MULTI, *commands, _EXEC]), len(commands) + 2, arrived)
        else:
            arrived([[]])

    def _arrived(
        self,
        turn: list[_Asked],
        reads: "dict[tuple[int, int | None], _Read]",
        instant: int,
        replies: "list[Any] | RedisDown",
    ) -> None:
        try:
            answers = iter(_executed(replies))
        except FsyncError as error:
            for asked in turn:
                asked.done(error)
            return
        for (_, as_of), read in reads.items():
            read.take(answers, instant if as_of is None else as_of)
        for lookups, as_of, done in turn:
            try:
                found = [reads[id(view), as_of].next(len(fields)) for view, fields in lookups]
            except FsyncError as error:
                done(error)
            else:
                done(found)


class _Read:
    """Rows of one view, for all who ask for them as of one instant."""

    __slots__ = ("_asked", "_at", "_count", "_found", "fields", "view")

    def __init__(self, view: ViewPlan) -> None:
        self.view = view
        self.fields: list[str] = []
        self._asked: Sequence[tuple[bytes, Sequence[str], Sequence[int]]] = ()
        self._count = self._at = 0
        self._found: Found | FsyncError | None = None

    def commands(self) -> list[bytes]:
        if not self.fields:
            return []
        self._asked = by_shard(self.view.rows, self.fields)
        commands = [self.view.check, *[pack("HMGET", rows, *own) for rows, own, _ in self._asked]]
        self._count = len(commands)
        return commands

    def take(self, answers: Iterator[Any], as_of: int) -> None:
        own = [next(answers) for _ in range(self._count)]
        try:
            self._found = judged(self.view, self._stored(own), as_of)
        except FsyncError as error:
            self._found = error

    def next(self, count: int) -> Found:
        """Of the next to have asked. Raises what went wrong with the view, or with one of their rows."""
        if not isinstance(self._found, Found):
            raise self._found or PlanOutdated
        start, self._at = self._at, self._at + count
        if self._found.damaged and any(start <= index < self._at for index in self._found.damaged):
            raise RedisDown(
                f"a row of {self.view.meta.reference} in Redis is damaged; sync it again", "damaged"
            )
        return self._found.some(start, count)

    def _stored(self, answers: list[Any]) -> Sequence[bytes | None]:
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise refused(answer)
        if not answers:
            return []
        meta, *rows = answers
        if meta != self.view.wanted:
            raise PlanOutdated
        if len(rows) == 1:
            only: list[bytes | None] = rows[0]
            return only
        stored: list[bytes | None] = [None] * len(self.fields)
        for (_, _, places), some in zip(self._asked, rows, strict=True):
            for place, row in zip(places, some, strict=True):
                stored[place] = row
        return stored


def _executed(replies: "list[Any] | RedisDown") -> list[Any]:
    """What the transaction answered. Raises RedisDown if it did not."""
    if isinstance(replies, RedisDown):
        raise replies
    answers = replies[-1]
    if isinstance(answers, list) and len(answers) == max(len(replies) - 2, 0):
        return answers
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            raise refused(reply)
    raise RedisDown("Redis gave up a transaction; try again", "refused")
