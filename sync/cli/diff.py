from typing import Annotated

import typer

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
from sync.cli.table import table


def diff(
    before: Annotated[str, typer.Argument(metavar="VIEW", help="A feature view: view or view@1.")],
    after: Annotated[
        str | None, typer.Argument(metavar="[VIEW]", help="Another version of it, or another view.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|TARGET",
            help="Compare with the view in another DuckDB file or another target of the profile.",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="The largest difference of two numbers that counts as none.")
    ] = 0.0,
    examples: Annotated[int, typer.Option(min=0, help="How many rows of each kind to show.")] = 5,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if they differ.")] = False,
    format: Annotated[
        ReportFormat, typer.Option("--format", help="markdown: for a pull request.")
    ] = ReportFormat.text,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    json: Json = False,
) -> None:
    """Compare two versions or builds of a feature view: rows, values and distributions."""
    if (after is None) == (against is None):
        raise typer.BadParameter("give either a second view or --against", param_hint="[VIEW] / --against")
    store = open_store(project_dir, profiles_dir, profile, target)
    found = store.diff(before, after, against=against, tolerance=tolerance, examples=examples)
    from sync.changes.diff_report import (
        HEADER,
        as_json,
        as_markdown,
        as_rows,
        example_line,
        feature_changes,
        summary,
    )

    if json or format is ReportFormat.json:
        print_json(as_json(found))
    elif format is ReportFormat.markdown:
        typer.echo(as_markdown(found))
    else:
        typer.echo(summary(found))
        for line in feature_changes(found):
            typer.echo(line)
        if found.features:
            typer.echo("\n" + table(HEADER, as_rows(found), right=frozenset(range(1, 8))))
        if found.examples:
            typer.echo("\n" + "\n".join(example_line(example) for example in found.examples))
    if exit_code and found.differs:
        raise typer.Exit(1)
