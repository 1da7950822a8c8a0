from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync.cli.options import Json, Profile, ProfilesDir, ProjectDir, RedisUrl, Target, open_store, print_json
from sync.cli.table import table

if TYPE_CHECKING:
    from sync.online.read import FeatureValue, OnlineRow


def get(
    name: Annotated[str, typer.Argument(metavar="VIEW|SERVICE", help="view, view@2 or a feature service.")],
    keys: Annotated[
        list[str],
        typer.Argument(metavar="KEY", help=r"Entity keys; of a composite key p1,casual (\, is a comma)."),
    ],
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIMESTAMP", help="Judge ages as of this instant (UTC); default now."),
    ] = None,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    redis_url: RedisUrl = None,
    json: Json = False,
) -> None:
    """Show the features of entities as Redis holds them."""
    store = open_store(project_dir, profiles_dir, profile, target, redis_url)
    answer = store.get_online_features(store.split_keys(name, keys), name, as_of)
    if json:
        print_json(answer)
        return
    for index, row in enumerate(answer.rows):
        if index:
            typer.echo()
        typer.echo(_entity(row, name))


def _entity(row: "OnlineRow", name: str) -> str:
    title = ", ".join(f"{key}={value}" for key, value in row.keys.items())
    # The features of one view need not repeat its name.
    lines = [_feature(label.removeprefix(f"{name}:"), feature) for label, feature in row.features.items()]
    return f"{title}\n{table(('feature', 'value', 'status', 'event_timestamp'), lines, frozenset([1]))}"


def _feature(label: str, feature: "FeatureValue") -> tuple[str, str, str, str]:
    return label, _text(feature.value), feature.status, feature.event_timestamp or "-"


def _text(value: Any) -> str:
    import msgspec

    if value is None:
        return "-"
    return value if isinstance(value, str) and value.isprintable() else msgspec.json.encode(value).decode()
