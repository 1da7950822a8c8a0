from typing import Annotated

import typer

from sync.cli.failures import fail, note_no_views
from sync.cli.options import (
    Json,
    MaximumBytesBilled,
    Profile,
    ProfilesDir,
    ProjectDir,
    Target,
    open_store,
    print_json,
)
from sync.cli.table import table
from sync.errors import FsyncError


def drift(
    select: Annotated[
        list[str] | None, typer.Option("--select", "-s", help="A view, or view@2; repeat for several.")
    ] = None,
    baseline: Annotated[
        str,
        typer.Option(
            metavar="DURATION|TIMESTAMP|FILE",
            help="What to compare with: the entities served so long before, or at an instant; "
            "or a training set that `fsync historical` wrote.",
        ),
    ] = "7d",
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIMESTAMP", help="Compare those served at this instant; default now."),
    ] = None,
    maximum_bytes_billed: MaximumBytesBilled = None,
    json: Json = False,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
) -> None:
    """Compare the features served now with those served before, or trained on; exit code 1 if one drifted."""
    try:
        store = open_store(
            project_dir, profiles_dir, profile, target, maximum_bytes_billed=maximum_bytes_billed
        )
        found = store.drift(select or (), baseline=baseline, as_of=as_of)
    except FsyncError as error:
        fail(str(error))
        raise typer.Exit(2) from None
    from sync.monitoring.report import HEADER, as_json, as_rows, populations, summary

    if json:
        print_json(as_json(found))
    elif not found:
        note_no_views()
    else:
        for one in found:
            typer.echo(populations(one))
        if rows := as_rows(found):
            typer.echo("\n" + table(HEADER, rows, right=frozenset(range(1, 7))) + "\n")
        typer.echo(summary(found))
    if any(one.drifted for one in found):
        raise typer.Exit(1)
