import re

from sync.errors import FsyncError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9][0-9]*)([smhd])")


def parse_duration(value: object, *, where: str) -> int:
    """Microseconds of `90s`, `15m`, `6h` or `30d`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise FsyncError(f"{where} is {value!r}; write a duration such as 90s, 15m, 6h or 30d")
    return int(match[1]) * _UNITS[match[2]] * 1_000_000


def format_duration(microseconds: int) -> str:
    seconds = microseconds // 1_000_000
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
