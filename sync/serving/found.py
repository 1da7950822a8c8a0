"""What rows of Redis say of the entities asked: statuses, and values as they stand."""

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Literal

import msgspec

from sync.online.judge import Status, all_present, bounds, judge
from sync.online.layout import BODY, EVENT
from sync.serving.plan import NULL, ViewPlan

Values = tuple[msgspec.Raw, ...]
# An entity that is no key.
Invalid = Literal["INVALID"]
_NULL = msgspec.Raw(NULL)
# Three times as fast as the operator `in`.
_has_null = re.compile(NULL).search
_body_of = itemgetter(BODY)
_PRESENT: tuple[Status, ...] = ("PRESENT",)


class Found(msgspec.Struct, gc=False):
    """A view's rows of the entities asked, in their order.

    `values`: of each a JSON text for each feature of the view, the defaults where the status is not PRESENT.
    `complete`: every status is PRESENT and no value is null. `damaged`: where a row is none.
    """

    stored: Sequence[bytes | None]
    statuses: Sequence[Status | Invalid]
    values: Sequence[Values]
    complete: bool = False
    damaged: Sequence[int] = ()

    def event(self, index: int) -> bytes | None:
        """As it is stored."""
        row = self.stored[index]
        return None if row is None or self.statuses[index] == "NOT_FOUND" else row[EVENT]

    def some(self, start: int, count: int) -> "Found":
        if count == len(self.stored):
            return self
        own = slice(start, start + count)
        return Found(self.stored[own], self.statuses[own], self.values[own], self.complete)

    def spread(self, view: ViewPlan, places: Sequence[int]) -> "Found":
        """As many rows as there are places: -1 is an entity that could not be asked for."""
        nulls = (_NULL,) * len(view.defaults)
        return Found(
            [None if place < 0 else self.stored[place] for place in places],
            ["INVALID" if place < 0 else self.statuses[place] for place in places],
            [nulls if place < 0 else self.values[place] for place in places],
        )

    def complete_at(self, index: int) -> bool:
        return self.statuses[index] == "PRESENT" and _NULL not in self.values[index]


def judged(view: ViewPlan, stored: Sequence[bytes | None], as_of: int) -> Found:
    served = bounds(view.meta, as_of)
    return _all_present(view, stored, served) or _one_by_one(view, stored, served)


def _all_present(view: ViewPlan, stored: Sequence[Any], served: Any) -> Found | None:
    """All rows decoded at once, where all are to be served and none is damaged."""
    if not stored or not all_present(stored, served):
        return None
    bodies = b",".join(map(_body_of, stored))
    try:
        rows = view.decode_all(b"[%b]" % bodies)
    except ValueError:
        return None
    if len(rows) != len(stored):
        return None
    return Found(stored, _PRESENT * len(stored), rows, not _has_null(bodies))


def _one_by_one(view: ViewPlan, stored: Sequence[bytes | None], served: Any) -> Found:
    statuses = [judge(row, served) for row in stored]
    values, damaged = [view.defaults] * len(stored), []
    for index, (row, status) in enumerate(zip(stored, statuses, strict=True)):
        if row and status == "PRESENT":
            try:
                values[index] = view.decode(row[BODY])
            except ValueError:
                damaged.append(index)
    return Found(stored, statuses, values, damaged=damaged)
