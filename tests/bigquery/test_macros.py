"""The macros' BigQuery SQL, as compiled, on GoogleSQL's own evaluator, against searches in plain Python."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bigquery.reference import GoogleSQL, GoogleSQLError, Table, for_the_evaluator
from tests.properties import test_point_in_time as joined
from tests.properties import test_trailing_windows as windows
from tests.properties import test_trailing_windows_at as at
from tests.properties.conftest import Shapes

TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INT64",
    "INTEGER": "INT64",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
}


def given_rows(warehouse: duckdb.DuckDBPyConnection, *names: str) -> dict[str, Table]:
    """The tables as they stand in DuckDB, under the names that macros and refs call them by."""
    tables = {}
    for name in names:
        rows = warehouse.table(name)
        columns = {c: TYPES[str(t)] for c, t in zip(rows.columns, rows.types, strict=True)}
        tables[name] = tables[f"a-project.main.{name}"] = Table.of(columns, rows.fetchall())
    return tables


def run(engine: GoogleSQL, sql: str, tables: Mapping[str, Table]) -> Table:
    return engine.query(for_the_evaluator(sql), tables)


def naive(table: Table) -> list[tuple[Any, ...]]:
    return [
        tuple(v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in row) for row in table.rows()
    ]


@pytest.mark.parametrize(("shape", "rules"), joined.CASES)
def test_point_in_time_join_equals_a_search_over_all_rows(
    shape: str,
    rules: dict[str, Any],
    shapes: Shapes,
    engine: GoogleSQL,
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    @settings(max_examples=20)
    @given(joined.data)
    def check(data: joined.Data) -> None:
        joined.fill(warehouse, data)
        tables = given_rows(warehouse, "recent", "paired", "daily", "spine")
        found = naive(run(engine, shapes.bigquery[shape], tables))
        assert sorted(found, key=lambda row: row[0]) == joined.expected(data, **rules)

    check()


@pytest.mark.parametrize("name", windows.CASES)
def test_trailing_windows_equal_a_recomputation_at_every_instant(
    name: str, shapes: Shapes, engine: GoogleSQL, warehouse: duckdb.DuckDBPyConnection
) -> None:
    case, again = windows.CASES[name], f"{name}_again"

    @settings(max_examples=12)
    @given(
        windows.tiles_of(case.tile),
        st.integers(0, 12),
        st.sampled_from([timedelta(0), windows.TICK, case.tile / 2]),
    )
    def check(tiles: list[windows.Tile], cut: int, more: timedelta) -> None:
        windows.fill(warehouse, tiles)
        given_tiles = given_rows(warehouse, "tiles")

        def built(sql: str, until: datetime, **tables: Table) -> Table:
            watermark = Table.of({"until": "TIMESTAMP"}, [(until,)])
            named = {f"a-project.main.{name}": table for name, table in tables.items()}
            return run(engine, sql, given_tiles | named | {"watermark": watermark})

        end, before = windows.START + 14 * case.tile, windows.START + cut * case.tile + more
        right = windows.recomputed(case, tiles, end)
        assert sorted(naive(built(shapes.bigquery[name], end)), key=repr) == sorted(right, key=repr)
        # As of an instant in between, and then an incremental run for the rest.
        kept = built(shapes.bigquery[name], before)
        appended = built(shapes.bigquery[again], end, **{again: kept})
        assert sorted(naive(kept.and_rows_of(appended)), key=repr) == sorted(right, key=repr)

    check()


@pytest.mark.parametrize("name", at.CASES)
def test_trailing_windows_at_equal_a_search_over_all_events(
    name: str, shapes: Shapes, engine: GoogleSQL, warehouse: duckdb.DuckDBPyConnection
) -> None:
    known, features = at.CASES[name]

    @settings(max_examples=20)
    @given(at.events, at.spines)
    def check(events: list[at.Event], spine: list[tuple[Any, ...]]) -> None:
        at.fill(warehouse, events, spine)
        found = naive(run(engine, shapes.bigquery[name], given_rows(warehouse, "events", "spine")))
        assert sorted(found, key=repr) == at.searched(events, spine, known, features)

    check()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select arg_max(a, b) from t", "Function not found: arg_max"),
        ("select a::string from t", "Syntax error"),
        ("select cast(a as int32) from t", "Type not found: int32"),
        ("select max(struct(a, b)) from t", "MAX is not defined"),
        ("select array_agg(a order by b) over (partition by c) from t", "ORDER BY"),
    ],
)
def test_what_bigquery_lacks_is_refused(sql: str, told: str, engine: GoogleSQL) -> None:
    table = Table.of({"a": "INT64", "b": "INT64", "c": "TIMESTAMP"}, [])
    with pytest.raises(GoogleSQLError, match=told):
        engine.query(sql, {"t": table})
