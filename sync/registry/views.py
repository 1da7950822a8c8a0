"""Feature views: the models of a manifest whose meta names an entity."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from math import inf
from pathlib import PurePosixPath
from typing import Any

import msgspec

from sync.errors import FsyncError, did_you_mean
from sync.registry.durations import parse_duration
from sync.registry.manifest import Column, Macro, Manifest, Node
from sync.registry.types import TIMES, ScalarType, scalar_type, suits

MODEL_KEYS = frozenset(
    ["entity", "join_key", "created_timestamp", "ttl", "online", "owner", "shards", "sla", "drift"]
)
MAX_SHARDS = 1024
COLUMN_KEYS = frozenset(["default", "feature", "pii", "label", "owner", "drift"])
# Of the population stability index: above it a population is another (Siddiqi, Credit Risk Scorecards, 2006).
DRIFT_LIMIT = 0.25


class JoinKey(msgspec.Struct, frozen=True):
    name: str
    type: ScalarType


class Feature(msgspec.Struct, frozen=True, omit_defaults=True):
    """`drift`: how far its distribution may shift; None for any."""

    name: str
    type: ScalarType
    default: Any = None
    pii: bool = False
    label: bool = False
    description: str = ""
    drift: float | None = DRIFT_LIMIT


class FeatureView(msgspec.Struct, frozen=True):
    name: str
    version: str | None
    latest: bool
    entities: tuple[str, ...]
    join_keys: tuple[JoinKey, ...]
    features: tuple[Feature, ...]
    event_timestamp: str
    created_timestamp: str | None
    ttl: int | None
    online: bool
    description: str
    owner: str | None
    deprecation_date: str | None
    relation: str
    model: str
    checksum: str
    shards: int = 1
    sla: int | None = None
    lineage: str = ""

    @property
    def reference(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @property
    def fingerprint(self) -> str:
        """Changes when a stored row may no longer mean what a new one does."""
        keys = [[key.name, key.type] for key in self.join_keys]
        shape = keys + [[feature.name, feature.type] for feature in self.features]
        return sha256(msgspec.json.encode([self.checksum, shape])).hexdigest()[:16]


def feature_views(manifest: Manifest) -> dict[str, FeatureView]:
    """By reference (`view` or `view@2`), in the manifest's order of names."""
    views: dict[str, FeatureView] = {}
    for node in sorted(manifest.nodes.values(), key=lambda node: node.unique_id):
        if not is_feature_view(node):
            continue
        view = _feature_view(node, lineage(manifest, node))
        if view.reference in views:
            raise FsyncError(
                f"feature view {view.reference} is defined twice: "
                f"{views[view.reference].model} and {view.model}"
            )
        views[view.reference] = view
    return views


def lineage(manifest: Manifest, node: Node) -> str:
    """Changes with the text of the model, of any model above it, or of a macro that one of them calls."""
    models, macros = {node.unique_id}, set(node.depends_on.macros)
    todo = [node]
    while todo:
        for name in todo.pop().depends_on.nodes:
            above = manifest.nodes.get(name)
            if above is not None and above.resource_type == "model" and name not in models:
                models.add(name)
                macros.update(above.depends_on.macros)
                todo.append(above)
    texts = [[name, manifest.nodes[name].checksum.checksum] for name in sorted(models)]
    texts += macro_sources(manifest.macros, macros)
    return sha256(msgspec.json.encode(texts)).hexdigest()[:16]


def macro_sources(macros: Mapping[str, Macro], called: Iterable[str]) -> list[list[str]]:
    """Name and text of the macros called and of those that they call."""
    found = set(called)
    todo = sorted(found)
    while todo:
        macro = macros.get(todo.pop())
        below = set(macro.depends_on.macros) - found if macro else set()
        found |= below
        todo += below
    # dbt's own macros change with its version, not with what a feature means.
    return [
        [name, macros[name].macro_sql]
        for name in sorted(found)
        if name in macros and not name.startswith("macro.dbt")
    ]


def is_feature_view(node: Node) -> bool:
    if node.resource_type != "model" or not node.config.enabled:
        return False
    in_folder = "features" in PurePosixPath(node.original_file_path).parts[:-1]
    return in_folder or "feature" in node.tags or node.config.meta.get("entity") is not None


def _feature_view(node: Node, lineage: str) -> FeatureView:
    where = f"model {_label(node)} ({node.original_file_path})"
    meta = {key: value for key, value in node.config.meta.items() if not isinstance(value, dict)}
    for key in meta:
        if key not in MODEL_KEYS:
            raise FsyncError(f"{where}: unknown meta key '{key}'{did_you_mean(key, MODEL_KEYS)}")
    entities = _names(meta.get("entity"), f"{where}: meta.entity")
    if not entities:
        raise FsyncError(f"{where} is a feature view without an entity; add `config.meta.entity`")
    if not node.config.event_time:
        raise FsyncError(f"{where} is a feature view without an event time; add `config.event_time`")
    if node.config.contract is None or not node.config.contract.enforced:
        raise FsyncError(f"{where} is a feature view without a contract; add `contract: {{enforced: true}}`")
    if node.relation_name is None:
        raise FsyncError(
            f"{where} is {node.config.materialized}; a feature view needs a table or view to read"
        )

    columns = _columns(node, where)
    join_key_names = _names(meta.get("join_key"), f"{where}: meta.join_key") or tuple(
        f"{entity}_id" for entity in entities
    )
    event = _column(columns, node.config.event_time, f"{where}: config.event_time")
    created = None
    if meta.get("created_timestamp") is not None:
        created = _column(columns, meta["created_timestamp"], f"{where}: meta.created_timestamp")
    for role, column in (("event_time", event), ("created_timestamp", created)):
        if column is not None and scalar_type(column.data_type or "") not in TIMES:
            raise FsyncError(
                f"{where}: {role} {column.name} is {column.data_type}; it must be a timestamp or a date"
            )
    ttl, sla = meta.get("ttl"), meta.get("sla")
    online = _flag(meta.get("online"), True, f"{where}: meta.online")
    join_keys = tuple(
        _join_key(_column(columns, name, f"{where}: join key"), where) for name in join_key_names
    )
    return FeatureView(
        name=node.name,
        version=None if node.version is None else str(node.version),
        latest=node.version is None or str(node.version) == str(node.latest_version),
        entities=entities,
        join_keys=join_keys,
        features=_features(
            columns,
            {*join_key_names, event.name, created.name if created else ""},
            _drift(meta.get("drift"), DRIFT_LIMIT, f"{where}: meta.drift"),
            where,
        ),
        event_timestamp=event.name,
        created_timestamp=created.name if created else None,
        ttl=None if ttl is None else parse_duration(ttl, where=f"{where}: ttl"),
        online=online,
        description=node.description,
        owner=meta.get("owner"),
        deprecation_date=node.deprecation_date,
        relation=node.relation_name,
        model=node.unique_id,
        checksum=node.checksum.checksum,
        shards=_shards(meta.get("shards"), f"{where}: meta.shards"),
        sla=None if sla is None else parse_duration(sla, where=f"{where}: sla"),
        lineage=lineage,
    )


def _label(node: Node) -> str:
    return node.name if node.version is None else f"{node.name} v{node.version}"


def _columns(node: Node, where: str) -> dict[str, Column]:
    if not node.columns:
        raise FsyncError(f"{where} lists no columns; a contract names every column and its data_type")
    for column in node.columns.values():
        for key, value in column.settings.items():
            if key not in COLUMN_KEYS and not isinstance(value, dict):
                raise FsyncError(
                    f"{where}, column {column.name}: unknown meta key '{key}'{did_you_mean(key, COLUMN_KEYS)}"
                )
        if not column.data_type:
            raise FsyncError(f"{where}, column {column.name} has no data_type")
    return {column.name: column for column in node.columns.values()}


def _column(columns: dict[str, Column], name: object, where: str) -> Column:
    if isinstance(name, str):
        if name in columns:
            return columns[name]
        folded = [column for key, column in columns.items() if key.lower() == name.lower()]
        if len(folded) == 1:
            return folded[0]
        raise FsyncError(f"{where} {name} is not a column of the model{did_you_mean(name, columns)}")
    raise FsyncError(f"{where} is {name!r}; give the name of a column")


def _join_key(column: Column, where: str) -> JoinKey:
    scalar = scalar_type(column.data_type or "")
    if scalar is None:
        raise FsyncError(f"{where}: join key {column.name} is {column.data_type}; a key must be a scalar")
    return JoinKey(column.name, scalar)


def _features(
    columns: dict[str, Column], reserved: set[str], drift: float | None, where: str
) -> tuple[Feature, ...]:
    features = []
    for column in columns.values():
        settings, place = column.settings, f"{where}, column {column.name}"
        is_feature = _flag(settings.get("feature"), True, f"{place}: meta.feature")
        if column.name in reserved or not is_feature:
            continue
        scalar = scalar_type(column.data_type or "")
        if scalar is None:
            raise FsyncError(
                f"{place}: type {column.data_type} cannot be served online; "
                "cast it to a scalar, or mark the column `feature: false`"
            )
        default = settings.get("default")
        if default is not None and not suits(default, scalar):
            raise FsyncError(f"{place}: default {default!r} does not suit type {column.data_type}")
        features.append(
            Feature(
                name=column.name,
                type=scalar,
                default=default,
                pii=_flag(settings.get("pii"), False, f"{place}: meta.pii"),
                label=_flag(settings.get("label"), False, f"{place}: meta.label"),
                description=column.description,
                drift=_drift(settings.get("drift"), drift, f"{place}: meta.drift"),
            )
        )
    if not features:
        raise FsyncError(f"{where} has no feature: every column is a key, a timestamp or `feature: false`")
    return tuple(features)


def _names(value: object, where: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else ([] if value is None else value)
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise FsyncError(f"{where} is {value!r}; give a name or a list of names")
    if len(set(names)) != len(names):
        raise FsyncError(f"{where} is {value!r}; a name stands twice")
    return tuple(names)


def _shards(value: object, where: str) -> int:
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SHARDS:
        raise FsyncError(f"{where} is {value!r}; give a number from 1 to {MAX_SHARDS}")
    return value


def _drift(value: object, default: float | None, where: str) -> float | None:
    if value is None:
        return default
    if value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise FsyncError(
            f"{where} is {value!r}; give the largest population stability index that is none, "
            f"such as {DRIFT_LIMIT}, or false"
        )
    return float(value)


def _flag(value: object, default: bool, where: str) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise FsyncError(f"{where} is {value!r}; write true or false")
    return value
