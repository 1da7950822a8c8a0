import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from pyarrow import RecordBatchReader

from sync.errors import FsyncError
from sync.instants import DAY, to_datetime
from sync.project import Project, Target
from sync.warehouse.warehouse import TimeKind, WarehouseUnavailable

# A dbt run may hold the file for long; a short wait covers the end of one, no more.
LOCK_WAIT_SECONDS = 8.0


class DuckDBWarehouse:
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
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, instant: int, kind: TimeKind) -> str:
        if kind == "date":
            return f"date '{to_datetime(instant - DAY):%Y-%m-%d}'"
        text = f"{to_datetime(instant):%Y-%m-%d %H:%M:%S.%f}"
        return f"timestamptz '{text}+00'" if kind == "zoned" else f"timestamp '{text}'"

    def row(self, sql: str) -> tuple[Any, ...]:
        with _failures():
            row: tuple[Any, ...] = self._connection.execute(sql).fetchall()[0]
        return row

    @contextmanager
    def arrow(self, sql: str) -> Iterator[RecordBatchReader]:
        with _failures():
            yield self._connection.query(sql).to_arrow_reader(100_000)


@contextmanager
def open_duckdb(project: Project, target: Target) -> Iterator[DuckDBWarehouse]:
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
    connection = _waiting(lambda: _connect(location), location)
    try:
        _configure(connection, project, target)
        yield DuckDBWarehouse(connection)
    finally:
        connection.close()


def _connect(location: str) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(location, read_only=True)
    except duckdb.ConnectionException:
        # This process already has the file open for writing: share that instance.
        return duckdb.connect(location)


def _waiting(connect: Callable[[], duckdb.DuckDBPyConnection], location: str) -> duckdb.DuckDBPyConnection:
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
    connection.execute(f"attach '{location.replace(chr(39), chr(39) * 2)}'{alias} (read_only)")


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise FsyncError(f"the warehouse refused a query: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
