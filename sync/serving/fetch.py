"""Reads the rows of plans: of one instant, and only while the metas are the ones the plans were made of."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple

import hiredis
import msgspec

from sync.online.judge import Status, all_present, bounds, judge
from sync.online.layout import BODY, EVENT, by_shard
from sync.serving.plan import NULL, Plan, ViewPlan
from sync.serving.redis_pipe import RedisDown, pack, refused

_MULTI = pack("MULTI")
_EXEC = pack("EXEC")
Values = tuple[msgspec.Raw, ...]
# An entity that is no key.
Invalid = Literal["INVALID"]
_NULL = msgspec.Raw(NULL)
_body_of = itemgetter(BODY)
_PRESENT: tuple[Status, ...] = ("PRESENT",)


class PlanOutdated(Exception):
    """A view was synced since its meta was read: the plan must be made again."""


class Part(NamedTuple):
    """Entities that ask for the same: by view of the plan, the field of each entity."""

    plan: Plan
    fields: Sequence[Sequence[str]]


class Found(msgspec.Struct, gc=False):
    """A view's rows of the entities asked, in their order.

    `values`: of each a JSON text for each of the view plan's names, the defaults where the status is not
    PRESENT. `complete`: every status is PRESENT and no value is null.
    """

    stored: Sequence[bytes | None]
    statuses: Sequence[Status | Invalid]
    values: Sequence[Values]
    complete: bool

    def event(self, index: int) -> bytes | None:
        """As it is stored."""
        row = self.stored[index]
        return None if row is None or self.statuses[index] == "NOT_FOUND" else row[EVENT]

    def spread(self, view: ViewPlan, places: Sequence[int]) -> "Found":
        """As many rows as there are places: -1 is an entity that could not be asked for."""
        nulls = (_NULL,) * len(view.names)
        return Found(
            [None if place < 0 else self.stored[place] for place in places],
            ["INVALID" if place < 0 else self.statuses[place] for place in places],
            [nulls if place < 0 else self.values[place] for place in places],
            False,
        )

    def complete_at(self, index: int) -> bool:
        return self.statuses[index] == "PRESENT" and _NULL not in self.values[index]


def commands(parts: Sequence[Part]) -> tuple[bytes, int]:
    """One transaction, and how many replies it has; nothing where no entity is asked for."""
    pieces, count = [_MULTI], 2
    for plan, fields in parts:
        for view, column in zip(plan.views, fields, strict=True):
            if not column:
                continue
            pieces.append(view.check)
            if len(view.rows) == 1:
                pieces.append(pack("HMGET", view.rows[0], *column))
                count += 2
            else:
                asked = by_shard(view.rows, column)
                pieces += [pack("HMGET", rows, *own) for rows, own, _ in asked]
                count += 1 + len(asked)
    pieces.append(_EXEC)
    return (b"".join(pieces), count) if count > 2 else (b"", 0)


def unpack(parts: Sequence[Part], replies: Sequence[Any], as_of: int) -> list[list[Found]]:
    """By part and view, from the replies to `commands`. Raises PlanOutdated, or RedisDown for a refusal."""
    answers = replies[-1] if replies else []
    if not isinstance(answers, list) or len(answers) != max(len(replies) - 2, 0):
        failed = [reply for reply in replies if isinstance(reply, hiredis.ReplyError)]
        raise refused(failed[0]) if failed else RedisDown("Redis gave up a transaction; try again", "refused")
    at, found = iter(answers), []
    for plan, fields in parts:
        views = []
        for view, column in zip(plan.views, fields, strict=True):
            if column and _sound(next(at)) != view.wanted:
                raise PlanOutdated
            views.append(_judged(view, _stored(view, column, at), as_of))
        found.append(views)
    return found


def _stored(view: ViewPlan, column: Sequence[str], answers: Any) -> Sequence[bytes | None]:
    if not column:
        return []
    if len(view.rows) == 1:
        only: list[bytes | None] = _sound(next(answers))
        return only
    stored: list[bytes | None] = [None] * len(column)
    for _, _, places in by_shard(view.rows, column):
        for place, row in zip(places, _sound(next(answers)), strict=True):
            stored[place] = row
    return stored


def _sound(reply: Any) -> Any:
    if isinstance(reply, hiredis.ReplyError):
        raise refused(reply)
    return reply


def _judged(view: ViewPlan, stored: Sequence[bytes | None], as_of: int) -> Found:
    served = bounds(view.meta, as_of)
    try:
        return _all_present(view, stored, served) or _one_by_one(view, stored, served)
    except ValueError:
        raise RedisDown(
            f"a row of {view.meta.reference} in Redis is damaged; sync it again", "damaged"
        ) from None


def _all_present(view: ViewPlan, stored: Sequence[Any], served: Any) -> Found | None:
    """All rows decoded at once, where all are to be served and none lacks a feature."""
    if not stored or not all_present(stored, served):
        return None
    bodies = b",".join(map(_body_of, stored))
    try:
        rows = view.decode_all(b"[%b]" % bodies)
    except msgspec.ValidationError:
        return None
    if len(rows) != len(stored):
        return None
    values = list(map(msgspec.structs.astuple, rows))
    return Found(stored, _PRESENT * len(stored), values, NULL not in bodies)


def _one_by_one(view: ViewPlan, stored: Sequence[bytes | None], served: Any) -> Found:
    statuses = [judge(row, served) for row in stored]
    values = [
        msgspec.structs.astuple(view.decode(row[BODY])) if row and status == "PRESENT" else view.defaults
        for row, status in zip(stored, statuses, strict=True)
    ]
    return Found(stored, statuses, values, False)
