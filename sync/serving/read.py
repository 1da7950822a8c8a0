"""What is read of one view, for all who ask for it at once."""

from collections.abc import Sequence
from typing import Any

import hiredis

from sync.errors import FsyncError
from sync.online.layout import by_shard
from sync.serving.found import Found, judged
from sync.serving.plan import ViewPlan
from sync.serving.redis_pipe import Outdated, RedisDown, pack, refused

MULTI = pack("MULTI")
EXEC = pack("EXEC")


class PlanOutdated(Outdated):
    """A view was redefined since its meta was read: the plan must be made again."""


class Read:
    """Rows of one view, for all who ask for them as of one instant."""

    __slots__ = ("_as_of", "_asked", "_at", "_found", "count", "fields", "view")

    def __init__(self, view: ViewPlan, as_of: int) -> None:
        self.view, self._as_of = view, as_of
        self.fields: list[str] = []
        self._asked: Sequence[tuple[bytes, Sequence[str], Sequence[int]]] = ()
        self.count = self._at = 0
        self._found: Found | FsyncError | None = None

    def commands(self) -> list[bytes]:
        """For the meta, then for the rows of each shard that is asked."""
        if not self.fields:
            return []
        self._asked = by_shard(self.view.rows, self.fields)
        commands = [self.view.check, *[pack("HMGET", rows, *own) for rows, own, _ in self._asked]]
        self.count = len(commands)
        return commands

    @property
    def keys(self) -> list[bytes]:
        """Of those rows."""
        return [rows for rows, _, _ in self._asked]

    def take(self, answers: list[Any]) -> None:
        """What the commands were answered."""
        try:
            self._found = judged(self.view, self._stored(answers), self._as_of)
        except FsyncError as error:
            self._found = error

    def fail(self, error: FsyncError) -> None:
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


def executed(replies: "list[Any] | RedisDown") -> list[Any]:
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
