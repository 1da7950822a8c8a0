from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.failures import fail
from sync.cli.options import Profile, ProfilesDir, ProjectDir, Target, open_store, print_json
from sync.errors import FsyncError

if TYPE_CHECKING:
    from sync.store import FeatureStore


class Format(StrEnum):
    text = "text"
    json = "json"
    github = "github"


def lint(
    views: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VIEW]...",
            help="Only these models, and what they are made of; default all.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", help="github: workflow commands that annotate a pull request.")
    ] = Format.text,
    time_travel: Annotated[
        str | None,
        typer.Option(
            "--time-travel",
            metavar="VIEW",
            help="Instead of reading SQL, build VIEW as of instants of the past and compare.",
        ),
    ] = None,
    instants: Annotated[int, typer.Option(min=1, help="How many instants to travel to.")] = 3,
    seed: Annotated[int, typer.Option(help="Another number, other instants.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 also for warnings.")] = False,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
) -> None:
    """Look for leakage in the SQL of features; exit code 1 if there is any, 2 if the lint could not run."""
    if views and time_travel is not None:
        raise typer.BadParameter("it takes one VIEW, and no others beside it", param_hint="--time-travel")
    try:
        store = open_store(project_dir, profiles_dir, profile, target)
        if time_travel is None:
            _lint(store, views or [], format, strict)
        else:
            _travel(store, time_travel, instants, seed, format)
    except FsyncError as error:
        fail(str(error))
        raise typer.Exit(2) from None


def _lint(store: "FeatureStore", views: list[str], format: Format, strict: bool) -> None:
    report = store.lint(views)
    from sync.lint.report import as_github, as_json, as_text

    if format is Format.json:
        print_json(as_json(report))
    else:
        text = as_text(report) if format is Format.text else as_github(report)
        if text:
            typer.echo(text)
    if report.fails(strict):
        raise typer.Exit(1)


def _travel(store: "FeatureStore", view: str, instants: int, seed: int, format: Format) -> None:
    travel = store.time_travel(view, instants=instants, seed=seed)
    from sync.lint.report import travel_as_github, travel_as_json, travel_as_text

    if format is Format.json:
        print_json(travel_as_json(travel))
    else:
        text = travel_as_text(travel) if format is Format.text else travel_as_github(travel)
        if text:
            typer.echo(text)
    if travel.differing:
        raise typer.Exit(1)
