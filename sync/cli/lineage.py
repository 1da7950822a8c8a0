from enum import StrEnum
from typing import Annotated

import typer

from sync.cli.failures import note_no_views
from sync.cli.options import Json, Profile, ProfilesDir, ProjectDir, Target, open_store, print_json
from sync.cli.table import table


class Format(StrEnum):
    text = "text"
    json = "json"
    mermaid = "mermaid"


def lineage(
    column: Annotated[
        str | None,
        typer.Argument(
            metavar="[COLUMN]",
            help="view:feature, model.column or source.table.column; or a model, for all its columns. "
            "Default all features.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", help="mermaid: a chart, as GitHub and others draw it.")
    ] = Format.text,
    json: Json = False,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
) -> None:
    """Say what a column is made of and who reads it, from the source's columns to the Redis key."""
    found = open_store(project_dir, profiles_dir, profile, target).lineage()
    columns = found.select(column)
    single = column is not None and found.is_column(column)
    from sync.lineage.chart import as_mermaid
    from sync.lineage.report import column_as_json, column_as_text, columns_as_json, overview

    if json or format is Format.json:
        print_json(column_as_json(found, columns[0]) if single else columns_as_json(found, columns))
    elif format is Format.mermaid:
        typer.echo(as_mermaid(found, columns))
    elif single:
        typer.echo(column_as_text(found, columns[0]))
    elif columns:
        typer.echo(table(("column", "made of", "read by"), overview(found, columns)))
    else:
        note_no_views()
