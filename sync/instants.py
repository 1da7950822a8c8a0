"""Instants are integers: microseconds since 1970 in UTC. A time without a zone is UTC."""

from datetime import UTC, datetime, timedelta
from time import time_ns

from sync.errors import FsyncError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
# 16 digits of microseconds, zero padded, sort as text up to here (2286-11-20).
END = 10**16


def now() -> int:
    return time_ns() // 1000


def from_datetime(value: datetime) -> int:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return (aware - EPOCH) // timedelta(microseconds=1)


def to_datetime(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


def to_text(instant: int) -> str:
    """`2024-03-05T00:00:00Z`, with a fraction only where there is one."""
    return to_datetime(instant).replace(tzinfo=None).isoformat() + "Z"


def parse_instant(value: "str | datetime | None", *, where: str = "as_of") -> int:
    """Now for None; a date stands for its midnight UTC."""
    if value is None:
        return now()
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise FsyncError(
                f"{where} is {value!r}; write a timestamp such as 2024-03-08T12:00:00Z (no zone means UTC)"
            ) from None
    if not isinstance(value, datetime):
        raise FsyncError(f"{where} is {value!r}; give a timestamp (text or datetime)")
    instant = from_datetime(value)
    if not 0 <= instant < END:
        raise FsyncError(f"{where} is {value.isoformat()}; it must lie between 1970 and 2286")
    return instant
