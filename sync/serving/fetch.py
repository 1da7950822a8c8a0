"""Reads the rows of a plan: of one instant, and only while the metas are the ones the plan was made of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import hiredis
import msgspec

from sync.instants import to_text
from sync.online.judge import Status, bounds, judge
from sync.online.layout import BODY, EVENT, by_shard
from sync.serving.plan import Plan, ViewPlan
from sync.serving.redis_pipe import RedisDown, RedisPipe, pack, refused

_MULTI = pack("MULTI")
_EXEC = pack("EXEC")


class PlanOutdated(Exception):
    """A view was synced since its meta was read: the plan must be made again."""


class Row(msgspec.Struct, gc=False):
    """`event`: as it is stored. `values`: a JSON text for each of the view plan's names; empty unless the
    status is PRESENT. `has_null`: any of them may be null.
    """

    status: Status
    event: bytes | None = None
    values: tuple[Any, ...] = ()
    has_null: bool = False


class Part(NamedTuple):
    """Entities that ask for the same: for each, its field in each view of the plan."""

    plan: Plan
    fields: list[list[str]]


def commands(parts: Sequence[Part]) -> tuple[bytes, int]:
    pieces, count = [_MULTI], 0
    for plan, fields in parts:
        for view, column in zip(plan.views, zip(*fields, strict=True), strict=True):
            asked = by_shard(view.rows, column)
            pieces.append(view.check)
            pieces += [pack("HMGET", rows, *own) for rows, own, _ in asked]
            count += 1 + len(asked)
    pieces.append(_EXEC)
    return b"".join(pieces), count


async def fetch(redis: RedisPipe, parts: Sequence[Part], as_of: int) -> list[list[list[Row]]]:
    """By part, view and entity."""
    parts_with_entities = [part for part in parts if part.fields]
    request, count = commands(parts_with_entities)
    answers: Any = []
    if count:
        replies = await redis.ask(request, count + 2)
        answers = replies[-1]
        for reply in (*replies, *(answers if isinstance(answers, list) else ())):
            if isinstance(reply, hiredis.ReplyError):
                raise refused(reply)
        if not isinstance(answers, list) or len(answers) != count:
            raise RedisDown("Redis gave up a transaction; try again", "refused")
    at, fetched = 0, []
    for plan, fields in parts:
        views: list[list[Row]] = []
        for view, column in zip(plan.views, zip(*fields, strict=True), strict=True) if fields else ():
            if answers[at] != view.wanted:
                raise PlanOutdated
            at += 1
            stored: list[bytes | None] = [None] * len(column)
            for _, _, places in by_shard(view.rows, column):
                for place, row in zip(places, answers[at], strict=True):
                    stored[place] = row
                at += 1
            views.append(_rows(view, stored, as_of))
        if not fields:
            views = [[] for _ in plan.views]
        fetched.append(views)
    return fetched


def _rows(view: ViewPlan, stored: Sequence[bytes | None], as_of: int) -> list[Row]:
    served, decode, astuple = bounds(view.meta, as_of), view.decode, msgspec.structs.astuple
    rows = []
    try:
        for row in stored:
            status = judge(row, served)
            if row is None or status == "NOT_FOUND":
                rows.append(MISSING)
                continue
            if status == "OUTSIDE_MAX_AGE":
                rows.append(Row(status, row[EVENT]))
                continue
            body = row[BODY]
            try:
                rows.append(Row(status, row[EVENT], astuple(decode(body)), b"null" in body))
            except msgspec.ValidationError:
                # A feature that is missing in the row is null.
                rows.append(Row(status, row[EVENT], astuple(view.decode_gaps(body)), True))
    except ValueError:
        raise RedisDown(
            f"a row of {view.meta.reference} in Redis is damaged; sync it again", "damaged"
        ) from None
    return rows


def event_text(event: bytes | None) -> bytes:
    return b"null" if event is None else b'"%s"' % to_text(int(event)).encode()


MISSING = Row("NOT_FOUND")
