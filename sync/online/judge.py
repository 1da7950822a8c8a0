"""What a stored row says at an instant: ttl by event time, and nothing from after the instant."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from sync.online.layout import CREATED, EVENT, ViewMeta, instant_text

Status = Literal["PRESENT", "NULL", "NOT_FOUND", "OUTSIDE_MAX_AGE"]


class Bounds(NamedTuple):
    """Of event times that are served, spelled as a row spells them, so that rows compare as they stand."""

    oldest: bytes
    latest: bytes


def bounds(meta: ViewMeta, as_of: int) -> Bounds:
    oldest = 0 if meta.ttl is None else max(as_of - meta.ttl, 0)
    return Bounds(instant_text(oldest), instant_text(as_of))


def judge(stored: bytes | None, bounds: Bounds) -> Status:
    """Whoever is not PRESENT is served the features' defaults; a PRESENT row's null is NULL."""
    oldest, latest = bounds
    # A row from after the instant says nothing about what was true then.
    if stored is None or stored[EVENT] > latest or stored[CREATED] > latest:
        return "NOT_FOUND"
    return "OUTSIDE_MAX_AGE" if stored[EVENT] < oldest else "PRESENT"


def all_present(stored: Sequence[bytes | None], bounds: Bounds) -> bool:
    """Whether `judge` says PRESENT of every row, told from the extremes: rows sort by their event times."""
    oldest, latest = bounds
    rows: Any = stored
    try:
        return bool(
            min(rows)[EVENT] >= oldest
            and max(rows)[EVENT] <= latest
            and max(map(_created_of, rows)) <= latest
        )
    except TypeError:  # One is None.
        return False


_created_of = itemgetter(CREATED)
