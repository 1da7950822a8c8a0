from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.failures import fail, note
from sync.cli.options import (
    Json,
    MaximumBytesBilled,
    Profile,
    ProfilesDir,
    ProjectDir,
    RedisUrl,
    Target,
    open_store,
    print_json,
)

if TYPE_CHECKING:
    from sync.online.synchronize import SyncResult


def online(
    select: Annotated[
        list[str] | None,
        typer.Option("--select", "-s", help="A view (all its versions) or view@2; repeat for several."),
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Write every row, also over rows in Redis that are newer.")
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
) -> None:
    """Put each feature view's newest rows into Redis."""
    store = open_store(project_dir, profiles_dir, profile, target, redis_url, maximum_bytes_billed)

    from sync.cli.progress import progress_bar

    results = []
    with progress_bar() as progress:
        for result in store.sync_each(
            select or (), full_refresh=full_refresh, dry_run=dry_run, as_of=as_of, progress=progress
        ):
            results.append(result)
            if not json and (result.rows or not result.error):
                typer.echo(_summary(result))
            if result.warning:
                note(f"fsync: {result.view}: {result.warning}")
            if result.error:
                fail(result.error)
    if not results:
        note("fsync: the project has no feature view to put online")
    if json:
        print_json({"views": [result._asdict() for result in results]})
    if any(result.error for result in results):
        raise typer.Exit(1)


def _summary(result: "SyncResult") -> str:
    if result.estimate:
        return f"{result.view}: would read {result.estimate}"
    if result.dry_run:
        return f"{result.view}: would write {_count(result.rows)}"
    parts = [_count(result.rows), f"{result.removed:,} removed"]
    if result.kept:
        parts.append(f"{result.kept:,} newer in Redis kept")
    speed = result.rows / result.seconds if result.seconds else 0
    parts.append(f"{result.seconds:.2f} s ({speed:,.0f} rows/s)")
    return f"{result.view}: {', '.join(parts)}"


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
