"""Options that several commands share, spelled as dbt spells them."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sync.store import FeatureStore

ProjectDir = Annotated[
    Path | None,
    typer.Option(envvar="DBT_PROJECT_DIR", help="Folder of dbt_project.yml; the current one by default."),
]
ProfilesDir = Annotated[
    Path | None,
    typer.Option(envvar="DBT_PROFILES_DIR", help="Folder of profiles.yml; the project's, then ~/.dbt."),
]
Profile = Annotated[
    str | None, typer.Option(envvar="DBT_PROFILE", help="Profile to use instead of the project's.")
]
Target = Annotated[
    str | None,
    typer.Option("--target", "-t", envvar="DBT_TARGET", help="Target of the profile to read from."),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        envvar="FSYNC_REDIS_URL", help="Redis to use; without one, fsync starts its own under target/."
    ),
]
MaximumBytesBilled = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE", help="BigQuery refuses a query that would read more: 10GB; default the target's."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")]


class Log(StrEnum):
    text = "text"
    json = "json"


LogFormat = Annotated[
    Log, typer.Option("--log-format", help="How stderr tells of progress and failures; json: a line each.")
]


class ReportFormat(StrEnum):
    text = "text"
    json = "json"
    markdown = "markdown"


def open_store(
    project_dir: Path | None,
    profiles_dir: Path | None = None,
    profile: str | None = None,
    target: str | None = None,
    redis_url: str | None = None,
    maximum_bytes_billed: str | None = None,
) -> "FeatureStore":
    from sync.store import FeatureStore

    return FeatureStore(
        project_dir,
        profiles_dir=profiles_dir,
        profile=profile,
        target=target,
        redis_url=redis_url,
        maximum_bytes_billed=maximum_bytes_billed,
    )


def print_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
