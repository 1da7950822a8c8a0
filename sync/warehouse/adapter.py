"""A warehouse through dbt's own adapter: its connection, its credentials, rows instead of Arrow.

fsync asks in the warehouse's dialect. What each spells in its own way is put in here: `epoch_us` (µs since
1970), `key_hash` (of a text), `approx_count_distinct`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pyarrow
import sqlglot
from pyarrow import RecordBatchReader, Table
from sqlglot import exp

from sync.errors import FsyncError
from sync.instants import DAY, END, to_datetime
from sync.project import Target
from sync.warehouse.warehouse import TimeKind, WarehouseUnavailable

# A driver may hand over a whole result at once, so no result is larger than this.
ENTITIES_PER_PART = 200_000
ROWS_PER_BATCH = 25_000
_MISSING = re.compile("does not exist|not found|cannot be found|doesn't exist", re.IGNORECASE)


class Dialect(NamedTuple):
    """SQL of a time's µs since 1970 and of a text's hash, both over `{}`; names that were made unquoted."""

    epoch_us: str
    key_hash: str
    folded: Callable[[str], str] = str
    zoned: tuple[str, ...] = ("timestamp with time zone", "timestamptz")


# Run by our tests: postgres. The others are written from their documentation.
DIALECTS = {
    "postgres": Dialect(
        "cast(extract(epoch from {}) * 1000000 as bigint)", "abs(cast(hashtext({}) as bigint))"
    ),
    "redshift": Dialect(
        "datediff(microsecond, timestamp '1970-01-01', {})", "abs(fnv_hash({}) % 1000000007)"
    ),
    "snowflake": Dialect(
        "date_part(epoch_microsecond, {})",
        "abs(hash({}) % 1000000007)",
        str.upper,
        ("timestamp_tz", "timestamp_ltz"),
    ),
    "databricks": Dialect("unix_micros({})", "abs(cast(hash({}) as bigint))", zoned=("timestamp",)),
}


class AdapterWarehouse:
    skips = False

    def __init__(self, connections: Any, name: str) -> None:
        self._connections, self._name, self._dialect = connections, name, DIALECTS[name]

    def columns(self, relation: str) -> dict[str, str]:
        table = exp.to_table(relation, dialect=self._name)
        catalog = f"{table.args['catalog'].sql(self._name)}." if table.args.get("catalog") else ""
        found = self._rows(
            f"select column_name, data_type from {catalog}information_schema.columns "
            f"where table_schema = {_text(table.db)} and table_name = {_text(table.name)} "
            "order by ordinal_position"
        )
        if not found:
            raise LookupError(relation)
        return dict(found)

    def time_kind(self, data_type: str) -> TimeKind:
        name = re.sub(r"\(\d+\)", "", data_type.lower())
        if name == "date":
            return "date"
        return "zoned" if name in self._dialect.zoned else "naive"

    def quote(self, identifier: str) -> str:
        return exp.to_identifier(self._dialect.folded(identifier), quoted=True).sql(self._name)

    def literal(self, instant: int, kind: TimeKind) -> str:
        if kind == "date":
            return f"date '{to_datetime(instant - DAY):%Y-%m-%d}'"
        text = f"{to_datetime(instant):%Y-%m-%d %H:%M:%S.%f}"
        return f"timestamp with time zone '{text}+00:00'" if kind == "zoned" else f"timestamp '{text}'"

    def micros(self, column: str, kind: TimeKind) -> str:
        return f"(epoch_us(cast({column} as timestamp)) + {DAY})" if kind == "date" else f"epoch_us({column})"

    def order(self, event_us: str, created_us: str) -> str:
        return f"(cast({event_us} as decimal(38, 0)) * {END} + {created_us})"

    def key_hash(self, _keys: Sequence[str]) -> None:
        return None

    def parts(self, keys: Sequence[str], entities: int) -> list[str]:
        count = -(-max(entities, 1) // ENTITIES_PER_PART)
        text = " || ',' || ".join(f"cast({key} as varchar(1000))" for key in keys)
        parts = [f"key_hash({text}) % {count} = {part}" for part in range(count)]
        return parts if count > 1 else ["true"]

    def row(self, sql: str) -> tuple[Any, ...]:
        return tuple(
            int(value) if isinstance(value, int) else value for value in self._rows(self._spelled(sql))[0]
        )

    def scanned(self, _sql: str) -> None:
        return None

    @contextmanager
    def arrow(self, sql: str) -> Iterator[RecordBatchReader]:
        cursor = self._cursor(self._spelled(sql))
        names = [column[0].lower() for column in cursor.description]
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
        try:
            arrays = [pyarrow.array(values) for values in columns]
            wide = [
                name
                for name, array in zip(names, arrays, strict=True)
                if pyarrow.types.is_decimal256(array.type)
            ]
        except (pyarrow.ArrowException, OverflowError) as error:
            raise FsyncError(f"the warehouse answered with what Arrow cannot hold: {error}") from None
        if wide:
            raise FsyncError("a decimal of more than 38 digits cannot be served; round it in the model")
        yield pyarrow.table(arrays, names).to_reader(ROWS_PER_BATCH)

    def schema(self, sql: str) -> list[tuple[str, str]]:
        raise self._training_sets(sql)

    @contextmanager
    def numbered(self, rows: "str | Path | Table", number: str, types: Mapping[str, str]) -> Iterator[str]:
        del number, types
        raise self._training_sets(rows)
        yield ""

    def _training_sets(self, _asked: object) -> FsyncError:
        return FsyncError(
            f"fsync syncs from {self._name}, but makes training sets on DuckDB and BigQuery only"
        )

    def _spelled(self, sql: str) -> str:
        try:
            return sqlglot.parse_one(sql, dialect=self._name).transform(self._spell).sql(self._name)
        except sqlglot.ParseError as error:
            raise FsyncError(f"cannot write a query for {self._name}: {error}") from None

    def _spell(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.ApproxDistinct) and self._name == "postgres":
            return exp.Count(this=exp.Distinct(expressions=[node.this]))
        if isinstance(node, exp.Anonymous) and node.name.lower() in ("epoch_us", "key_hash"):
            text = getattr(self._dialect, node.name.lower()).format(node.expressions[0].sql(self._name))
            return sqlglot.parse_one(text, dialect=self._name)
        return node

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._cursor(sql).fetchall()]

    def _cursor(self, sql: str) -> Any:
        with _failures(self._name):
            return self._connections.add_query(sql, auto_begin=False)[1]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def open_adapter(target: Target) -> Iterator[AdapterWarehouse]:
    name = target.settings["type"]
    if find_spec(f"dbt.adapters.{name}") is None:
        raise WarehouseUnavailable(
            f"{target.source}: target {target.name} is of type '{name}', whose dbt adapter is missing; "
            f"run `pip install dbt-{name}`"
        )
    from dbt.adapters.factory import FACTORY
    from dbt_common.dataclass_schema import ValidationError

    credentials = FACTORY.load_plugin(name)
    try:
        given = credentials.translate_aliases({k: v for k, v in target.settings.items() if k not in _OF_DBT})
        credentials.validate(given)
        config = SimpleNamespace(**_CONFIG, credentials=credentials.from_dict(given), target_name=target.name)
    except ValidationError as error:
        raise WarehouseUnavailable(f"{target.source}: target {target.name}: {error.message}") from None
    adapter: Any = FACTORY.get_adapter_class_by_name(name)(config, get_context("spawn"))  # type: ignore[call-arg]
    try:
        with _failures(name, WarehouseUnavailable), adapter.connection_named("fsync"):
            adapter.connections.get_thread_connection().handle  # noqa: B018
            yield AdapterWarehouse(adapter.connections, name)
    finally:
        adapter.cleanup_connections()


# What an adapter asks of dbt's configuration, beside credentials.
_CONFIG = {
    "profile_name": "fsync",
    "project_name": "fsync",
    "threads": 1,
    "query_comment": SimpleNamespace(comment="", append=False, job_label=False),
    "cli_vars": {},
    "target_path": "target",
    "log_cache_events": False,
}
_OF_DBT = ("type", "threads")


@contextmanager
def _failures(name: str, error_type: type[FsyncError] = FsyncError) -> Iterator[None]:
    from dbt_common.exceptions import DbtBaseException

    try:
        yield
    except FsyncError:
        raise
    except DbtBaseException as error:
        words = " ".join(line.strip() for line in str(error).splitlines()[:4])
        raise error_type(f"{name}: {words}") from None
