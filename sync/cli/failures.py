from typing import Any

import typer
from typer.core import TyperGroup

from sync.errors import FsyncError


class FsyncGroup(TyperGroup):
    """Turns an FsyncError into one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FsyncError as error:
            fail(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            fail("interrupted")
            raise typer.Exit(130) from None


def fail(message: str) -> None:
    typer.echo(f"fsync: {' '.join(message.splitlines())}", err=True)


def note(message: str) -> None:
    typer.echo(message, err=True)
