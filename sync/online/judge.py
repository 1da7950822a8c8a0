"""What a stored row says at an instant: ttl by event time, and nothing from after the instant."""

from typing import Literal

from sync.online.layout import ViewMeta, split_row

Status = Literal["PRESENT", "NULL", "NOT_FOUND", "OUTSIDE_MAX_AGE"]


def judge(meta: ViewMeta, stored: bytes | None, as_of: int) -> tuple[Status, int | None, bytes]:
    """The row's status, its event µs, and the JSON object of its features when it is PRESENT.

    Whoever is not PRESENT is served the features' defaults; a PRESENT row's null is NULL.
    """
    if stored is None:
        return "NOT_FOUND", None, b""
    event, created, body = split_row(stored)
    # A row from after `as_of` says nothing about what was true then.
    if event > as_of or created > as_of:
        return "NOT_FOUND", None, b""
    if meta.ttl is not None and event < as_of - meta.ttl:
        return "OUTSIDE_MAX_AGE", event, b""
    return "PRESENT", event, body
