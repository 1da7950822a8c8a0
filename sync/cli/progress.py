import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sync.online.synchronize import Progress


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """On a terminal only, and gone when the work is done."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        name = ""

        def start(view: str) -> None:
            nonlocal name
            name = view
            bar.reset(task, total=None, description=f"{view}: reading")

        def read(rows: int) -> None:
            bar.advance(task, rows)

        def write(rows: int, total: int) -> None:
            if bar.tasks[0].total is None:
                bar.reset(task, total=total, description=f"{name}: writing")
            bar.advance(task, rows)

        yield Progress(start, read, write)
