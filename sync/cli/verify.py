from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.failures import fail
from sync.cli.options import Json, Profile, ProfilesDir, ProjectDir, RedisUrl, Target, open_store, print_json
from sync.errors import FsyncError

if TYPE_CHECKING:
    from sync.verify import Verification


def verify(
    select: Annotated[
        list[str] | None, typer.Option("--select", "-s", help="A view, or view@2; repeat for several.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, help="So many entities of Redis and of the warehouse.")
    ] = 1000,
    everything: Annotated[bool, typer.Option("--all", help="All entities, not a sample.")] = False,
    json: Json = False,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    redis_url: RedisUrl = None,
) -> None:
    """Compare Redis with a point-in-time join as of the last sync; exit code 1 if they differ."""
    try:
        store = open_store(project_dir, profiles_dir, profile, target, redis_url)
        found = store.verify(select or (), sample=None if everything else sample)
    except FsyncError as error:
        fail(str(error))
        raise typer.Exit(2) from None
    if json:
        print_json({"views": [{**one._asdict(), "holds": one.holds} for one in found]})
    else:
        for one in found:
            typer.echo(_summary(one))
            for example in one.examples:
                typer.echo(
                    f"  {example.key}: {example.what}: {example.redis} in Redis, {example.warehouse} expected"
                    if example.redis is not None and example.warehouse is not None
                    else f"  {example.key}: {example.what}"
                )
    if not all(one.holds for one in found):
        raise typer.Exit(1)


def _summary(found: "Verification") -> str:
    parts = [f"{found.matched:,} of {found.rows:,} match as of {found.as_of}"]
    parts += [f"{count:,} {what}" for what in ("missing", "extra") if (count := getattr(found, what))]
    parts += [f"{count:,} differ in {name}" for name, count in found.mismatches.items()]
    if found.ahead:
        parts.append(f"{found.ahead:,} pushed, not in the warehouse yet")
    return f"{found.view}: {', '.join(parts)}"
