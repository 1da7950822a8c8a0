from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import FsyncError
from sync.online.entity_key import entity_key, entity_key_sql, split_entity_key
from sync.registry.views import JoinKey

TYPES: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "integer": ("bigint", st.integers(-(2**63), 2**63 - 1)),
    "float": ("double", st.floats(allow_nan=False, allow_infinity=False)),
    "decimal": ("decimal(38,9)", st.decimals(-(10**20), 10**20, places=9)),
    "boolean": ("boolean", st.booleans()),
    "string": ("varchar", st.text()),
    "date": ("date", st.dates()),
    "timestamp": ("timestamp", st.datetimes()),
}
COMMAS = st.text(alphabet="a,\\", max_size=6)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.mark.parametrize("scalar", TYPES)
def test_duckdb_spells_a_key_as_python_does(scalar: Any, connection: duckdb.DuckDBPyConnection) -> None:
    data_type, values = TYPES[scalar]

    @settings(max_examples=40)
    @given(st.lists(values, min_size=1, max_size=30))
    def check(keys: list[Any]) -> None:
        rows = connection.execute(
            f"select {entity_key_sql([scalar], ['k'])} from (select unnest(?::{data_type}[]) as k)", [keys]
        ).fetchall()
        assert [key for (key,) in rows] == [entity_key((JoinKey("k", scalar),), [key]) for key in keys]

    check()


@settings(max_examples=40)
@given(st.lists(st.tuples(COMMAS, st.integers(-99, 99), COMMAS), min_size=1, max_size=20, unique=True))
def test_composite_keys_agree_never_collide_and_can_be_typed(keys: list[tuple[str, int, str]]) -> None:
    join_keys = (JoinKey("a", "string"), JoinKey("b", "integer"), JoinKey("c", "string"))
    texts = [entity_key(join_keys, key) for key in keys]
    with duckdb.connect() as connection:
        spelled = connection.execute(
            f"""select {entity_key_sql(["string", "integer", "string"], ["k.a", "k.b", "k.c"])}
            from (select unnest(?::struct(a varchar, b bigint, c varchar)[]) as k)""",
            [[{"a": a, "b": b, "c": c} for a, b, c in keys]],
        ).fetchall()
    assert [key for (key,) in spelled] == texts
    assert len(set(texts)) == len(keys)
    assert [split_entity_key(text) for text in texts] == [[a, str(b), c] for a, b, c in keys]


@pytest.mark.parametrize(
    ("scalar", "values", "text"),
    [
        ("integer", [7, "7", "007", "+7"], "7"),
        ("float", [1, 1.0, "1", "1e0"], "1.0"),
        ("float", [0.0, -0.0], "0.0"),
        ("decimal", [Decimal("1.50"), Decimal("1.5"), 1.5, "1.500"], "1.5"),
        ("decimal", [Decimal("100"), 100, "1E2", Decimal("100.00")], "100"),
        ("boolean", [True, "true"], "true"),
        ("date", [date(2024, 3, 5), "2024-03-05"], "2024-03-05"),
        (
            "timestamp",
            [
                datetime(2024, 3, 5),
                datetime(2024, 3, 5, tzinfo=UTC),
                datetime(2024, 3, 5, 2, tzinfo=timezone(timedelta(hours=2))),
                "2024-03-05",
                "2024-03-05T01:00:00+01:00",
            ],
            "2024-03-05T00:00:00.000000Z",
        ),
    ],
)
def test_equal_keys_have_one_text(scalar: Any, values: list[Any], text: str) -> None:
    assert {entity_key((JoinKey("k", scalar),), [value]) for value in values} == {text}


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("integer", "p1"),
        ("integer", 1.5),
        ("integer", True),
        ("integer", None),
        ("float", float("nan")),
        ("float", "x"),
        ("decimal", "x"),
        ("decimal", Decimal("Infinity")),
        ("boolean", 1),
        ("boolean", "yes"),
        ("string", 1),
        ("string", None),
        ("date", datetime(2024, 3, 5)),
        ("date", "5.3.2024"),
        ("timestamp", "noon"),
        ("timestamp", 0),
    ],
)
def test_a_key_of_the_wrong_type_is_refused(scalar: Any, value: Any) -> None:
    with pytest.raises(FsyncError, match=f"key k is of type {scalar}, not"):
        entity_key((JoinKey("k", scalar),), [value])
