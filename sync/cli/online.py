from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.failures import note
from sync.cli.options import (
    Json,
    Log,
    LogFormat,
    MaximumBytesBilled,
    Profile,
    ProfilesDir,
    ProjectDir,
    RedisUrl,
    Target,
    open_store,
    print_json,
)
from sync.words import counted

if TYPE_CHECKING:
    from sync.online.run import SyncResult


def online(
    select: Annotated[
        list[str] | None,
        typer.Option("--select", "-s", help="A view (all its versions) or view@2; repeat for several."),
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Write every row, also over rows in Redis that are newer.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIMESTAMP", help="Send again what was created since this instant (UTC)."),
    ] = None,
    max_speed: Annotated[
        bool, typer.Option("--max-speed", help="Load as fast as Redis can; its readers wait meanwhile.")
    ] = False,
    wait: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Wait so long for another sync of a view: 5m.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Then remove views from Redis that the project has no more.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, or on BigQuery read, and its price.")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIMESTAMP", help="Sync what was known at this instant (UTC); default now."),
    ] = None,
    maximum_bytes_billed: MaximumBytesBilled = None,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    redis_url: RedisUrl = None,
    json: Json = False,
    log_format: LogFormat = Log.text,
) -> None:
    """Put each feature view's newest rows into Redis."""
    store = open_store(project_dir, profiles_dir, profile, target, redis_url, maximum_bytes_billed)

    from sync.cli.progress import reporter

    results = []
    with reporter(log_format) as report:
        for result in store.sync_each(
            select or (),
            full_refresh=full_refresh,
            dry_run=dry_run,
            as_of=as_of,
            since=since,
            max_speed=max_speed,
            wait=wait,
            progress=report.progress,
        ):
            results.append(result)
            if not json and (result.rows or result.full or not result.error):
                typer.echo(_summary(result))
            report.result(result)
    pruned = store.prune(dry_run=dry_run) if prune else []
    if not json:
        for reference in pruned:
            typer.echo(f"{reference}: {'would be removed' if dry_run else 'removed'}, no view of the project")
    if not results:
        note("fsync: the project has no feature view to put online")
    if json:
        print_json({"views": [result._asdict() for result in results], "pruned": pruned})
    if any(result.error for result in results):
        raise typer.Exit(1)


def _summary(result: "SyncResult") -> str:
    if result.estimate:
        return f"{result.view}: would read {result.estimate}"
    if result.dry_run:
        return f"{result.view}: {counted(result.rows, 'row')} to serve"
    speed = result.rows / result.seconds if result.seconds else 0
    parts = (
        [f"{counted(result.rows, 'row')} ({result.full})"] if result.full else [f"{result.written:,} changed"]
    )
    if result.removed:
        parts.append(f"{result.removed:,} expired")
    if result.kept:
        parts.append(f"{result.kept:,} newer in Redis kept")
    parts.append(f"{result.entities:,} online")
    parts.append(f"{result.seconds:.2f} s" + (f" ({speed:,.0f} rows/s)" if result.full else ""))
    return f"{result.view}: {', '.join(parts)}"
