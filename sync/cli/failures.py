from typing import Any

import typer
from typer.core import TyperGroup

from sync.errors import FsyncError

# Packages of the extra `duckdb`, without which features are read and served.
OF_DUCKDB = ("dbt", "duckdb", "jinja2", "pyarrow", "rich", "sqlglot")


class FsyncGroup(TyperGroup):
    """Turns an FsyncError into one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FsyncError as error:
            fail(str(error))
            raise typer.Exit(1) from None
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in OF_DUCKDB:
                raise
            fail(f"work on a dbt project needs {error.name}; run `pip install 'fsync[duckdb]'`")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            fail("interrupted")
            raise typer.Exit(130) from None


def fail(message: str) -> None:
    typer.echo(f"fsync: {' '.join(message.splitlines())}", err=True)


def note_no_views() -> None:
    note("fsync: the project has no feature view; a model becomes one by `config.meta.entity`")


def note(message: str) -> None:
    typer.echo(message, err=True)
