"""When the rows of a source came to be known, by what its config says."""

from typing import Any, Literal, NamedTuple

import msgspec

from sync.errors import FsyncError
from sync.registry.manifest import ManifestFile

Kind = Literal["source", "seed", "model"]


class Config(msgspec.Struct):
    meta: dict[str, Any] = {}
    loaded_at_field: str | None = None
    event_time: str | None = None
    materialized: str = "view"
    enabled: bool = True


class DependsOn(msgspec.Struct):
    nodes: list[str] = []


class Table(msgspec.Struct):
    name: str
    resource_type: str
    unique_id: str
    original_file_path: str
    config: Config
    relation_name: str | None = None
    loaded_at_field: str | None = None
    depends_on: DependsOn = msgspec.field(default_factory=DependsOn)


class Tables(msgspec.Struct):
    nodes: dict[str, Table]
    sources: dict[str, Table] = {}


class Root(NamedTuple):
    """A table that nothing is upstream of; `known` is SQL, None of what has always been known."""

    kind: Kind
    unique_id: str
    relation: str
    known: str | None


def roots(manifest: ManifestFile, view: str) -> list[Root]:
    """Of all that a view is made of.

    Raises FsyncError for what cannot be cut at an instant, or would write outside the scratch file.
    """
    tables = manifest.decode(Tables)
    everything = tables.nodes | tables.sources
    waiting, seen, found = [view], {view}, []
    while waiting:
        table = everything[waiting.pop()]
        _check(table)
        parents = [parent for parent in table.depends_on.nodes if parent in everything]
        if not parents:
            found.append(_root(table))
        waiting += [parent for parent in parents if parent not in seen]
        seen.update(parents)
    return sorted(found, key=lambda root: root.unique_id)


def _check(table: Table) -> None:
    if table.resource_type == "snapshot":
        raise FsyncError(
            f"time travel is not possible through the snapshot {table.name} ({table.original_file_path}): "
            "its history is made run by run and cannot be built again"
        )
    if table.config.materialized == "external":
        raise FsyncError(
            f"model {table.name} ({table.original_file_path}) writes files of its own "
            "(materialized: external), which a scratch build would overwrite"
        )


def _root(table: Table) -> Root:
    kind: Kind = "source" if table.resource_type == "source" else "seed"
    kind = "model" if table.resource_type == "model" else kind
    meta = table.config.meta.get("created_timestamp")
    relation = table.relation_name or ""
    if meta is False:
        return Root(kind, table.unique_id, relation, None)
    known = meta or table.config.loaded_at_field or table.loaded_at_field or table.config.event_time
    if not isinstance(known, str):
        raise FsyncError(
            f"{kind} {table.name} ({table.original_file_path}) does not say when its rows came to be "
            "known; give it `config.meta.created_timestamp`: a column or a SQL expression, "
            "or false if it has always been known"
        )
    return Root(kind, table.unique_id, relation, known)


def instant_sql(expression: str) -> str:
    """The instant of a timestamp or a date, which counts from its end."""
    day = f"case typeof({expression}) when 'DATE' then interval 1 day else interval 0 day end"
    return f"(cast({expression} as timestamp) + {day})"
