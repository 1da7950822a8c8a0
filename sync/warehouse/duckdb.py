import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from pyarrow import RecordBatchReader, Table

from sync.arrow import arrow_reader
from sync.engine import Engine, quoted, text_literal
from sync.errors import FsyncError
from sync.instants import DAY, END, to_datetime
from sync.project import Project, Target
from sync.warehouse.warehouse import TimeKind, WarehouseUnavailable

# A dbt run may hold the file for long; a short wait covers the end of one, no more.
LOCK_WAIT_SECONDS = 8.0
# Another scan of the table costs less than a join that spills to disk.
ENTITIES_PER_PART = 1_000_000
ROWS_PER_BATCH = 50_000
T = TypeVar("T")
# Of a file that this process has open already; from DuckDB 2 on.
_IN_USE = tuple(getattr(duckdb, name) for name in ("ResourceInUseException",) if hasattr(duckdb, name))


class DuckDBWarehouse:
    skips = True

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def columns(self, relation: str) -> dict[str, str]:
        try:
            described = self._connection.execute(f"describe select * from {relation}").fetchall()
        except duckdb.CatalogException:
            raise LookupError(relation) from None
        return {name: data_type for name, data_type, *_ in described}

    def time_kind(self, data_type: str) -> TimeKind:
        if data_type.upper() == "DATE":
            return "date"
        return "zoned" if data_type.upper() in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") else "naive"

    def quote(self, identifier: str) -> str:
        return quoted(identifier)

    def literal(self, instant: int, kind: TimeKind) -> str:
        if kind == "date":
            return f"date '{to_datetime(instant - DAY):%Y-%m-%d}'"
        text = f"{to_datetime(instant):%Y-%m-%d %H:%M:%S.%f}"
        return f"timestamptz '{text}+00'" if kind == "zoned" else f"timestamp '{text}'"

    def micros(self, column: str, kind: TimeKind) -> str:
        return f"(epoch_us({column}) + {DAY})" if kind == "date" else f"epoch_us({column})"

    def order(self, event_us: str, created_us: str) -> str:
        return f"cast({event_us} as hugeint) * {END} + {created_us}"

    def key_hash(self, keys: Sequence[str]) -> str:
        return f"hash({', '.join(keys)})"

    def parts(self, keys: Sequence[str], entities: int) -> list[str]:
        count = -(-max(entities, 1) // ENTITIES_PER_PART)
        parts = [f"{self.key_hash(keys)} % {count} = {part}" for part in range(count)]
        return parts if count > 1 else ["true"]

    def row(self, sql: str) -> tuple[Any, ...]:
        with _failures():
            row: tuple[Any, ...] = self._connection.execute(sql).fetchall()[0]
        return row

    def scanned(self, _sql: str) -> None:
        return None

    @contextmanager
    def arrow(self, sql: str) -> Iterator[RecordBatchReader]:
        with _failures():
            yield arrow_reader(self._connection, sql, ROWS_PER_BATCH)

    def schema(self, sql: str) -> list[tuple[str, str]]:
        with _failures():
            described = self._connection.execute(f"describe {sql}").fetchall()
        return [(name, data_type) for name, data_type, *_ in described]

    def attach(self, path: Path) -> str:
        """Another DuckDB file, to read; the name by which SQL knows it."""
        name = "fsync_other"
        if not path.exists():
            raise FsyncError(f"there is no DuckDB file at {path}")
        with _failures():
            self._connection.execute(f"attach {text_literal(str(path))} as {name} (read_only)")
        return name

    @contextmanager
    def numbered(self, rows: "str | Path | Table", number: str, types: Mapping[str, str]) -> Iterator[str]:
        if isinstance(rows, Path):
            sql = _scan(rows, types)
        elif isinstance(rows, str):
            sql = rows
        else:
            self._connection.register("fsync_rows", rows)
            sql = "fsync_rows"
        untyped = [name for name, data_type in self.schema(f"select * from {sql}") if data_type == '"NULL"']
        casts = [f"cast({self.quote(n)} as {types[n]}) as {self.quote(n)}" for n in untyped if n in types]
        replaced = f" replace ({', '.join(casts)})" if casts else ""
        yield f"(select *{replaced}, row_number() over () as {number} from {sql})"


def _scan(path: Path, types: Mapping[str, str]) -> str:
    name = text_literal(str(path))
    if path.suffix.lower() != ".csv":
        return f"read_parquet({name})"
    typed = ", ".join(
        f"{text_literal(column)}: {text_literal(data_type)}" for column, data_type in types.items()
    )
    # The whole file settles the types of the other columns, not a sample of it.
    return f"read_csv({name}, header = true, delim = ',', sample_size = -1, types = {{{typed}}})"


@contextmanager
def open_duckdb(project: Project, target: Target, engine: Engine | None = None) -> Iterator[DuckDBWarehouse]:
    settings = target.settings
    path = str(settings.get("path", ":memory:"))
    if path == ":memory:":
        raise WarehouseUnavailable(
            f"{target.source}: target {target.name} is in memory and keeps nothing; give it a `path`"
        )
    remote = ":" in path.split("/")[0]
    location = path if remote else str(project.directory / path)
    if not remote and not Path(location).exists():
        raise WarehouseUnavailable(
            f"no DuckDB file at {location} (target {target.name}); run `dbt build` first"
        )
    suits = engine if not remote and not settings.get("attach") else None
    connection, attached = _waiting(lambda: _open(location, suits), location)
    try:
        _configure(connection, project, target)
        yield DuckDBWarehouse(connection)
    finally:
        connection.close()
        if suits and attached:
            suits.detach(attached)


@contextmanager
def scratch_duckdb(project: Project, target: Target) -> Iterator[duckdb.DuckDBPyConnection]:
    """One in memory, set up as the target's."""
    with closing(duckdb.connect()) as connection:
        _configure(connection, project, target)
        yield connection


def _open(location: str, engine: Engine | None) -> tuple[duckdb.DuckDBPyConnection, str | None]:
    """A connection, and the name under which an engine has the file, the one that dbt gives it."""
    if engine:
        name = Path(location).stem
        with suppress(duckdb.BinderException, *_IN_USE):
            return engine.attach(location, name), name
    return _connect(location), None


def _connect(location: str) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(location, read_only=True)
    except duckdb.ConnectionException:
        # This process already has the file open for writing: share that instance.
        return duckdb.connect(location)


def _waiting(connect: Callable[[], T], location: str) -> T:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            return connect()
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise WarehouseUnavailable(f"cannot open {location}: {_first_line(error)}") from None
            if time.monotonic() > deadline:
                raise WarehouseUnavailable(
                    f"{location} is locked by another process that writes to it "
                    "(a DuckDB file has one writer or many readers); wait for it to finish, then run again"
                ) from None
            time.sleep(0.2)
        except duckdb.Error as error:
            raise WarehouseUnavailable(f"cannot open {location}: {_first_line(error)}") from None


def _configure(connection: duckdb.DuckDBPyConnection, project: Project, target: Target) -> None:
    settings = target.settings
    try:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        # External models name files relative to the folder dbt runs in, which is the project's.
        connection.execute("set file_search_path = ?", [str(project.directory)])
        for extension in settings.get("extensions") or []:
            name = extension if isinstance(extension, str) else extension["name"]
            connection.execute(f"load {name}")
        for name, value in (settings.get("settings") or {}).items():
            connection.execute(f"set {name} = ?", [value])
        for attachment in settings.get("attach") or []:
            _attach(connection, attachment, project)
    except duckdb.Error as error:
        raise WarehouseUnavailable(f"{target.source}: target {target.name}: {_first_line(error)}") from None


def _attach(connection: duckdb.DuckDBPyConnection, attachment: dict[str, Any], project: Project) -> None:
    path = str(attachment["path"])
    location = path if ":" in path.split("/")[0] else str(project.directory / path)
    alias = f' as "{attachment["alias"]}"' if attachment.get("alias") else ""
    connection.execute(f"attach {text_literal(location)}{alias} (read_only)")


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise FsyncError(f"the warehouse refused a query: {_first_paragraph(error)}") from None


def _first_paragraph(error: Exception) -> str:
    """All that DuckDB says of a line of CSV, without the position in the query that follows other errors."""
    return " ".join(str(error).partition("\n\n")[0].split())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
