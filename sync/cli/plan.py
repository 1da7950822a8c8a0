from pathlib import Path
from typing import Annotated

import typer

from sync.cli.failures import fail
from sync.cli.options import (
    Json,
    Profile,
    ProfilesDir,
    ProjectDir,
    ReportFormat,
    Target,
    open_store,
    print_json,
)
from sync.errors import FsyncError


def plan(
    state: Annotated[
        Path | None,
        typer.Option(
            help="What to compare with: a state file, or its folder; default what was synced or saved last.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the project's state: what the next plan compares with.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 also if values of an existing feature will move.")
    ] = False,
    format: Annotated[
        ReportFormat, typer.Option("--format", help="markdown: for a pull request.")
    ] = ReportFormat.text,
    json: Json = False,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
) -> None:
    """Say which features change and whom it touches; exit code 1 if a reader breaks, 2 if it cannot say."""
    try:
        store = open_store(project_dir, profiles_dir, profile, target)
        found = store.plan(state, save=save)
    except FsyncError as error:
        fail(str(error))
        raise typer.Exit(2) from None
    from sync.changes.plan_report import as_json, as_markdown, as_text

    if json or format is ReportFormat.json:
        print_json(as_json(found))
    else:
        typer.echo(as_text(found) if format is ReportFormat.text else as_markdown(found))
    if found.breaking or (strict and found.moves_values):
        raise typer.Exit(1)
