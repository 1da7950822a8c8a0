from typing import Annotated

import typer

from sync.cli.options import Json, Profile, ProfilesDir, ProjectDir, RedisUrl, Target, open_store, print_json


def status(
    select: Annotated[
        list[str] | None, typer.Option("--select", "-s", help="A view, or view@2; repeat for several.")
    ] = None,
    online_only: Annotated[
        bool, typer.Option("--online-only", help="Do not ask the warehouse: Redis alone.")
    ] = False,
    json: Json = False,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    redis_url: RedisUrl = None,
) -> None:
    """Say how fresh each view is online; exit code 1 if one is past its sla, absent or defined otherwise."""
    store = open_store(project_dir, profiles_dir, profile, target, redis_url)
    found = store.status(select or (), online_only=online_only)
    if json:
        print_json({"views": [{**one._asdict(), "failed": one.failed} for one in found]})
    else:
        rows = [
            (
                "VIEW",
                "STATE",
                "ONLINE",
                "OFFLINE",
                "BEHIND",
                "FRESH",
                "SLA",
                "SYNCED",
                "MEMORY",
                "FINGERPRINT",
            )
        ]
        for one in found:
            rows.append(
                (
                    one.view,
                    one.state,
                    f"{one.online:,}" + (f" +{one.ahead:,}" if one.ahead else ""),
                    "-" if one.offline is None else f"~{one.offline:,}",
                    "-" if one.behind is None else f"{one.behind:,}",
                    _age(one.freshness),
                    _age(one.sla),
                    "-" if one.lag is None else f"{_age(one.lag)} ago",
                    f"{one.memory / 2**20:.1f} MB",
                    one.fingerprint,
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            typer.echo("  ".join(cells).rstrip())
    if any(one.failed for one in found):
        raise typer.Exit(1)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
