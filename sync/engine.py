"""A DuckDB inside this process, within bounds: it renders rows, and reads DuckDB files where they lie.

To start one takes as long as to read a million timestamps, so whoever needs it more than once keeps it.
"""

import tempfile
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import duckdb


class Engine:
    """`memory`: such as 200MB; what is larger spills to disk. `threads`: None for one a core. Close it."""

    def __init__(self, memory: str | None = None, threads: int | None = None) -> None:
        # DuckDB makes the folder when it spills, and removes it.
        spill = str(Path(tempfile.gettempdir()) / f"fsync-{uuid4().hex}")
        bounds = {"temp_directory": spill, "memory_limit": memory, "threads": threads}
        self._connection = duckdb.connect(
            ":memory:", config={name: value for name, value in bounds.items() if value is not None}
        )
        self._connection.execute("set global TimeZone = 'UTC'")

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to this DuckDB."""
        cursor = self._connection.cursor()
        # It would draw over the output of a command, also where no terminal is.
        cursor.execute("set enable_progress_bar = false")
        return cursor

    def attach(self, path: str, name: str) -> duckdb.DuckDBPyConnection:
        """A connection for which the file's tables come first, to be read until `detach`."""
        cursor = self.cursor()
        cursor.execute(f"attach {text_literal(path)} as {quoted(name)} (read_only)")
        cursor.execute(f"use {quoted(name)}")
        return cursor

    def detach(self, name: str) -> None:
        """The file is closed, once the connections to it are."""
        with self.cursor() as cursor:
            cursor.execute(f"detach database if exists {quoted(name)}")


def quoted(name: str) -> str:
    """A name in DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """A text in DuckDB's SQL."""
    return "'" + value.replace("'", "''") + "'"
