"""How an entity is spelled as a field of a hash: the same text in Python and in DuckDB's SQL."""

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sync.errors import FsyncError
from sync.registry.types import ScalarType
from sync.registry.views import JoinKey


def entity_key(join_keys: tuple[JoinKey, ...], values: "list[Any] | tuple[Any, ...]") -> str:
    """The text of typed key values: one part as it stands, several escaped and joined with commas."""
    if len(join_keys) == 1 and len(values) == 1:
        return _key_text(join_keys[0], values[0])
    parts = [_key_text(key, value) for key, value in zip(join_keys, values, strict=True)]
    return ",".join(part.replace("\\", "\\\\").replace(",", "\\,") for part in parts)


def entity_key_sql(types: "list[ScalarType]", columns: list[str]) -> str:
    """The same text as DuckDB SQL over the columns."""
    parts = [key_text_sql(scalar, column) for scalar, column in zip(types, columns, strict=True)]
    if len(parts) == 1:
        return parts[0]
    return " || ',' || ".join(rf"replace(replace({part}, '\', '\\'), ',', '\,')" for part in parts)


def split_entity_key(text: str) -> list[str]:
    """The parts of a composite key as a person types it: `p1,casual`."""
    parts, escaped = [""], False
    for character in text:
        if escaped or character not in "\\,":
            parts[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            parts.append("")
    return parts


def typed_key(key: JoinKey, text: str) -> Any:
    """A key part as typed by a person, as a value of its type; as it stands when it is none."""
    try:
        if key.type == "boolean":
            return {"true": True, "false": False}.get(text, text)
        return {"integer": int, "float": float}.get(key.type, str)(text)
    except ValueError:
        return text


def _key_text(key: JoinKey, value: Any) -> str:
    text = _TEXTS[key.type](value)
    if text is None:
        raise FsyncError(f"key {key.name} is of type {key.type}, not {value!r}")
    return text


def _integer(value: Any) -> str | None:
    if isinstance(value, str):
        return str(int(value)) if re.fullmatch(r"[+-]?[0-9]+", value) else None
    return None if isinstance(value, bool) or not hasattr(value, "__index__") else str(int(value))


def _float(value: Any) -> str | None:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    # Adding zero turns -0.0 into 0.0: equal keys have one text.
    return repr(number + 0.0) if math.isfinite(number) else None


_DECIMAL_DIGITS = 100


def _decimal(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return None
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    # No warehouse has a decimal this long, and 1e999999999 would be spelled in a gigabyte.
    if not number.is_finite() or abs(number.adjusted()) > _DECIMAL_DIGITS:
        return None
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _boolean(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value in ("true", "false") else None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _date(value: Any) -> str | None:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return None
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else None


def _timestamp(value: Any) -> str | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return timestamp_text(value)


def timestamp_text(value: datetime) -> str:
    utc = value if value.tzinfo is None else value.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


_TEXTS = {
    "integer": _integer,
    "float": _float,
    "decimal": _decimal,
    "boolean": _boolean,
    "string": _string,
    "date": _date,
    "timestamp": _timestamp,
}


def key_text_sql(scalar: ScalarType, column: str) -> str:
    text = f"cast({column} as varchar)"
    if scalar == "float":
        return f"cast({column} + cast(0 as float) as varchar)"
    if scalar == "decimal":
        return f"(case when contains({text}, '.') then rtrim(rtrim({text}, '0'), '.') else {text} end)"
    if scalar == "timestamp":
        return timestamp_text_sql(column)
    return text


def timestamp_text_sql(column: str) -> str:
    return f"strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ')"
