from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.failures import note
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
from sync.words import counted

if TYPE_CHECKING:
    from sync.offline.historical import HistoricalFeatures


def historical(
    spine: Annotated[
        str,
        typer.Option(
            metavar="FILE|MODEL|SQL", help="Keys and a timestamp: .parquet, .csv, a dbt model or a SELECT."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Parquet file to write.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="A feature service: all its features.")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(metavar="REFERENCES", help="view:feature or view@1:feature, with commas or repeated."),
    ] = None,
    timestamp: Annotated[
        str, typer.Option(metavar="COLUMN", help="The spine's timestamp; without a zone it is UTC.")
    ] = "event_timestamp",
    as_known_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIMESTAMP",
            help="Leave out rows created after this instant (UTC): made again later, the file is the same.",
        ),
    ] = None,
    hindsight: Annotated[
        bool, typer.Option(help="Take late rows and corrections also where they were not yet known.")
    ] = False,
    ages: Annotated[
        bool, typer.Option("--ages", help="Add view__age, the seconds since the row's event timestamp.")
    ] = False,
    full_names: Annotated[bool, typer.Option("--full-names", help="Call columns view__feature.")] = False,
    defaults: Annotated[bool, typer.Option(help="Declared defaults where there is no row, or NULL.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything; say what BigQuery would read, and its price.")
    ] = False,
    maximum_bytes_billed: MaximumBytesBilled = None,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    json: Json = False,
) -> None:
    """Make a training set: the features of a spine as they were known at each row's instant."""
    if (service is None) == (not features):
        raise typer.BadParameter("give either --service or --features", param_hint="--service / --features")
    from time import monotonic

    from sync.offline.parquet import check_output

    started = monotonic()
    if out is not None:
        check_output(out.expanduser(), force)
    elif not dry_run:
        raise typer.BadParameter("give a Parquet file to write", param_hint="--out")
    references = [part.strip() for text in features or [] for part in text.split(",") if part.strip()]
    store = open_store(project_dir, profiles_dir, profile, target, maximum_bytes_billed=maximum_bytes_billed)
    result = store.get_historical_features(
        spine,
        service or references,
        timestamp=timestamp,
        as_known_at=as_known_at,
        hindsight=hindsight,
        ages=ages,
        full_names=full_names,
        defaults=defaults,
    )
    if dry_run or out is None:
        _tell_cost(result, json)
        return
    rows = result.write_parquet(out, force=force)
    seconds = monotonic() - started
    for warning in result.warnings:
        note(f"fsync: {warning}")
    if json:
        print_json({"file": str(out), "rows": rows, "seconds": seconds, **result.metadata})
        return
    count = counted(rows, "row")
    columns = counted(len(result.columns), "column")
    typer.echo(f"{out}: {count}, {columns} added, {seconds:.2f} s")


def _tell_cost(result: "HistoricalFeatures", json: bool) -> None:
    from sync.warehouse.cost import estimate

    scanned = result.scanned()
    cost = None if scanned is None else estimate(scanned)
    if json:
        print_json({"columns": result.columns, "estimate": None if cost is None else cost._asdict()})
        return
    price = "nothing is billed here" if cost is None else f"would read {cost}"
    columns = counted(len(result.columns), "column")
    typer.echo(f"{columns} would be added; {price}")
