"""What stderr tells of a sync: a bar on a terminal, lines otherwise, JSON lines where they are asked for."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
import typer

from sync.cli.failures import fail, note
from sync.cli.options import Log
from sync.instants import now, to_text
from sync.online.run import SyncResult
from sync.online.synchronize import Progress

LOG_SECONDS = 5.0


class Reporter(Protocol):
    @property
    def progress(self) -> Progress: ...

    def result(self, result: SyncResult) -> None: ...


@contextmanager
def reporter(log: Log) -> Iterator[Reporter]:
    if log is Log.json:
        yield _JsonLines()
    elif sys.stderr.isatty():
        with _bar() as progress:
            yield _Text(progress)
    else:
        yield _Text(Progress(lambda *_: None, lambda _: None, _tell_retry))


class _Text:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def result(self, result: SyncResult) -> None:
        if result.warning:
            note(f"fsync: {result.view}: {result.warning}")
        if result.error:
            fail(result.error)


class _JsonLines:
    def __init__(self) -> None:
        self.progress = Progress(self._start, self._write, self._retry)
        self._view, self._rows, self._told = "", 0, 0.0
        self._total: int | None = None

    def result(self, result: SyncResult) -> None:
        fields = {name: value for name, value in result._asdict().items() if value is not None}
        _line("error" if result.error else "warning" if result.warning else "info", "synced", **fields)

    def _start(self, view: str, full: "str | None", rows: "int | None") -> None:
        self._view, self._rows, self._total, self._told = view, 0, rows, time.monotonic()
        _line("info", "started", view=view, full=full, rows=rows)

    def _write(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._told >= LOG_SECONDS:
            self._told = time.monotonic()
            _line("info", "progress", view=self._view, rows=self._rows, of=self._total)

    def _retry(self, view: str, error: str, seconds: float) -> None:
        _line("warning", "retry", view=view, error=error, seconds=seconds)


def _line(level: str, event: str, **fields: Any) -> None:
    line = {"timestamp": to_text(now()), "level": level, "event": event, **fields}
    typer.echo(msgspec.json.encode(line).decode(), err=True)


def _tell_retry(view: str, error: str, seconds: float) -> None:
    note(f"fsync: {view}: {error}; trying again in {seconds:g} s")


@contextmanager
def _bar() -> Iterator[Progress]:
    """Gone when the work is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.speed:,.0f} rows/s", markup=False),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def start(view: str, _full: "str | None", rows: "int | None") -> None:
            bar.reset(task, total=rows or None, description=view)

        yield Progress(start, lambda rows: bar.advance(task, rows), _tell_retry)
