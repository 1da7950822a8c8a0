from typing import Annotated

import typer

from sync.cli.acl import acl
from sync.cli.diff import diff
from sync.cli.drift import drift
from sync.cli.failures import FsyncGroup
from sync.cli.get import get
from sync.cli.historical import historical
from sync.cli.lineage import lineage
from sync.cli.lint import lint
from sync.cli.online import online
from sync.cli.plan import plan
from sync.cli.redis import redis_app
from sync.cli.serve import serve
from sync.cli.status import status
from sync.cli.stream import stream
from sync.cli.token import token_app
from sync.cli.verify import verify
from sync.cli.views import views

app = typer.Typer(
    name="fsync",
    cls=FsyncGroup,
    help="A feature store you write in SQL: dbt models in, Redis features out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Rich would double the time that --help takes.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(online)
app.command()(stream)
app.command()(verify)
app.command()(status)
app.command()(drift)
app.command()(get)
app.command()(historical)
app.command()(serve)
app.command()(views)
app.command()(lineage)
app.command()(lint)
app.command()(plan)
app.command()(diff)
app.command()(acl)
app.add_typer(redis_app, name="redis")
app.add_typer(token_app, name="token")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fsync {version('fsync')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version
