import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import typer

from sync.cli.failures import note, note_no_views
from sync.cli.options import Json, Profile, ProfilesDir, ProjectDir, Target, open_store, print_json
from sync.cli.table import table

if TYPE_CHECKING:
    from sync.registry.registry import FeatureService
    from sync.registry.views import FeatureView


def views(
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    json: Json = False,
) -> None:
    """List the project's feature views and feature services."""
    store = open_store(project_dir, profiles_dir, profile, target)
    if store.registry.stale:
        note(f"fsync: {', '.join(store.registry.stale)} changed after the manifest; run `dbt parse`")
    if json:
        print_json(
            {
                "project": store.project.name,
                "views": [_as_json(view) for view in store.views()],
                "services": [service._asdict() for service in store.services()],
            }
        )
        return
    if not store.views():
        note_no_views()
        return
    typer.echo(
        table(("view", "entity", "ttl", "online", "features", "notes"), [_row(v) for v in store.views()])
    )
    for view in store.views():
        typer.echo(f"\n{_title(view)}\n{_features(view)}")
    for service in store.services():
        typer.echo(f"\n{_service(service)}")


def _row(view: "FeatureView") -> tuple[str, ...]:
    return (
        view.reference,
        ", ".join(view.entities),
        _ttl(view) or "never expires",
        "yes" if view.online else "no",
        str(len(view.features)),
        "; ".join(_notes(view)) or "-",
    )


def _notes(view: "FeatureView") -> list[str]:
    notes = ["latest"] if view.version is not None and view.latest else []
    if view.deprecation_date:
        from datetime import UTC, datetime

        passed = datetime.fromisoformat(view.deprecation_date) <= datetime.now(UTC)
        notes.append(f"deprecated {'since' if passed else 'from'} {view.deprecation_date[:10]}")
    return notes


def _title(view: "FeatureView") -> str:
    keys = ", ".join(f"{key.name} {key.type}" for key in view.join_keys)
    return f"{view.reference} ({keys})" + (
        f": {' '.join(view.description.split())}" if view.description else ""
    )


def _features(view: "FeatureView") -> str:
    rows = []
    for feature in view.features:
        marks = [name for name, marked in (("pii", feature.pii), ("label", feature.label)) if marked]
        default = [] if feature.default is None else [f"default {feature.default}"]
        text = " ".join(feature.description.split())
        rows.append((feature.name, feature.type, ", ".join(default + marks) or "-", text))
    lines = table(("feature", "type", "marks", "description"), rows).splitlines()
    return "\n".join(_fitted(f"  {line}") for line in lines)


def _fitted(line: str) -> str:
    """Descriptions may be long: cut on a terminal, whole in a pipe."""
    if not sys.stdout.isatty():
        return line
    width = get_terminal_size().columns
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _service(service: "FeatureService") -> str:
    return "\n".join([f"service {service.name}", *(f"  {reference}" for reference in service.features)])


def _ttl(view: "FeatureView") -> str | None:
    from sync.registry.durations import format_duration

    return None if view.ttl is None else format_duration(view.ttl)


def _as_json(view: "FeatureView") -> dict[str, Any]:
    return {
        "view": view.reference,
        "name": view.name,
        "version": view.version,
        "latest": view.latest,
        "deprecation_date": view.deprecation_date,
        "description": view.description,
        "owner": view.owner,
        "entities": view.entities,
        "join_keys": view.join_keys,
        "event_timestamp": view.event_timestamp,
        "created_timestamp": view.created_timestamp,
        "ttl": _ttl(view),
        "online": view.online,
        "relation": view.relation,
        "features": view.features,
    }
