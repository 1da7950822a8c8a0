"""The scalar types a join key or feature may have, whatever the warehouse calls them."""

import re
from typing import Literal, cast

ScalarType = Literal["integer", "float", "decimal", "boolean", "string", "date", "timestamp"]

NUMERIC: frozenset[ScalarType] = frozenset(["integer", "float", "decimal"])
TIMES: frozenset[ScalarType] = frozenset(["date", "timestamp"])
_NAMES: dict[ScalarType, str] = {
    "integer": "tinyint smallint integer int bigint hugeint utinyint usmallint uinteger ubigint uhugeint "
    "int1 int2 int4 int8 int16 int32 int64 int128 long short byteint signed",
    "float": "float real float4 float8 float64 double|double precision",
    "decimal": "decimal numeric dec bignumeric bigdecimal",
    "boolean": "boolean bool logical",
    "string": "varchar text string char bpchar uuid nvarchar enum|character varying",
    "date": "date",
    "timestamp": "timestamp timestamptz datetime timestamp_s timestamp_ms timestamp_us timestamp_ns "
    "timestamp_ltz timestamp_ntz timestamp_tz|timestamp with time zone|timestamp without time zone",
}
_TYPES: dict[str, ScalarType] = {
    name: scalar
    for scalar, names in _NAMES.items()
    for group, text in enumerate(names.split("|"))
    for name in (text.split() if group == 0 else [text])
}


def scalar_type(data_type: str) -> ScalarType | None:
    """None for what cannot be served online: arrays, structs, intervals, times of day, binary."""
    text = data_type.strip().lower()
    if text.endswith("]"):
        return None
    return _TYPES.get(" ".join(re.sub(r"\([^()]*\)", " ", text).split()))


def suits(value: object, scalar: ScalarType) -> bool:
    """Whether a YAML or JSON value can stand for a feature of this type."""
    if isinstance(value, bool):
        return scalar == "boolean"
    if isinstance(value, int):
        return scalar in ("integer", "float", "decimal")
    if isinstance(value, float):
        return scalar in ("float", "decimal") and value - value == 0
    return isinstance(value, str) and cast(str, scalar) in ("string", "date", "timestamp")
