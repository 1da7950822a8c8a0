"""The macros' BigQuery SQL, as compiled, held by a GoogleSQL engine over typed tables without rows."""

import re
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from google.api_core.exceptions import InternalServerError

from tests.properties import test_point_in_time as joined
from tests.properties import test_trailing_windows as windows
from tests.properties.conftest import Shapes

START = datetime(2026, 3, 1)
TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INT64",
    "INTEGER": "INT64",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
}


def copy(warehouse: duckdb.DuckDBPyConnection, client: Any, tables: list[str]) -> None:
    """The tables' rows, as they stand in DuckDB, in the emulator."""
    for name in tables:
        relation = warehouse.table(name)
        types = [TYPES[str(kind)] for kind in relation.types]
        rows = [
            ", ".join(literal(value, kind) for value, kind in zip(row, types, strict=True))
            for row in relation.fetchall()
        ]
        columns = ", ".join(f"cast(null as {t}) as {c}" for c, t in zip(relation.columns, types, strict=True))
        selects = [f"select * from (select {columns}) where false", *(f"select {row}" for row in rows)]
        client.delete_table(f"a-project.main.{name}", not_found_ok=True, retry=None)
        run(client, f"create table `a-project`.main.{name} as {' union all '.join(selects)}")


def run(client: Any, sql: str) -> list[Any]:
    """Without retries: what the emulator cannot do is an internal error to it, which clients try again."""
    # It looks up a bare name in no dataset, whatever the job's default is.
    sql = re.sub(r"\b(from|join) (spine|tiles|watermark)\b", r"\1 `a-project`.main.\2", sql)
    # And timestamp() of a timestamp is known to its analyzer, but not to its runtime.
    sql = re.sub(r"\btimestamp\(([\w.`]+)\)", r"cast(\1 as timestamp)", sql)
    # BigQuery's other name of int64, by its reference, is not ZetaSQL's.
    sql = sql.replace("as bigint)", "as int64)")
    return list(client.query(sql, retry=None, job_retry=None).result(retry=None, timeout=60))


def literal(value: Any, kind: str) -> str:
    if value is None:
        return f"cast(null as {kind})"
    if kind == "TIMESTAMP":
        utc = value.astimezone(UTC) if value.tzinfo else value
        return f"timestamp '{utc:%Y-%m-%d %H:%M:%S.%f}+00'"
    return f"date '{value}'" if kind == "DATE" else repr(value)


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


NOTHING = joined.Data([], [], [], [])


@pytest.mark.parametrize("shape", [shape for shape, _ in joined.CASES])
def test_point_in_time_join_is_googlesql(
    shape: str, shapes: Shapes, client: Any, warehouse: duckdb.DuckDBPyConnection
) -> None:
    """Names, types and signatures by ZetaSQL's analyzer; no rows: a NULL in a window ends the emulator."""
    joined.fill(warehouse, NOTHING)
    copy(warehouse, client, ["recent", "paired", "daily", "spine"])
    assert run(client, shapes.bigquery[shape]) == []


@pytest.mark.parametrize("shape", windows.CASES)
def test_trailing_windows_is_googlesql(
    shape: str, shapes: Shapes, client: Any, warehouse: duckdb.DuckDBPyConnection
) -> None:
    tile = windows.Tile("1", "2", START, START, START, "casual", START, 1, 1, 1)
    windows.fill(warehouse, [tile])
    warehouse.execute("delete from tiles")
    warehouse.execute("create or replace table watermark as select ?::timestamp as until", [START])
    copy(warehouse, client, ["tiles", "watermark"])
    try:
        assert run(client, shapes.bigquery[shape]) == []
    except InternalServerError as error:
        # It was analyzed, and translated to SQLite; a minus before a column is missing there.
        if "no such function: zetasqlite_unary_minus" not in str(error):
            raise


def test_what_is_no_googlesql_is_refused(client: Any) -> None:
    with pytest.raises(InternalServerError, match=r"failed to analyze.*Function not found: arg_max"):
        run(client, "select arg_max(a, b) from (select 1 as a, 2 as b)")
