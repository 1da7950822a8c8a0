"""Reads features. All that must be known of a view stands in Redis: a serving host needs no dbt project."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import redis

from sync.errors import FsyncError, did_you_mean
from sync.instants import to_text
from sync.online import layout
from sync.online.entity_key import entity_key
from sync.online.layout import ViewMeta
from sync.registry.references import ViewReference, parse_feature, parse_view
from sync.registry.views import Feature, JoinKey

# Of reading meta and rows that belong together, against a sync that redefines the view in between.
ATTEMPTS = 5

Status = Literal["PRESENT", "NULL", "NOT_FOUND", "OUTSIDE_MAX_AGE"]


class FeatureValue(msgspec.Struct, frozen=True):
    value: Any
    status: Status
    event_timestamp: str | None


class OnlineRow(msgspec.Struct, frozen=True):
    keys: dict[str, Any]
    features: dict[str, FeatureValue]


class OnlineFeatures(msgspec.Struct, frozen=True):
    as_of: str
    rows: list[OnlineRow]

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns of values, as a data frame wants them."""
        columns: dict[str, list[Any]] = {}
        for row in self.rows:
            for name, value in row.keys.items():
                columns.setdefault(name, []).append(value)
            for name, feature in row.features.items():
                columns.setdefault(name, []).append(feature.value)
        return columns


class _Wanted(NamedTuple):
    meta: ViewMeta
    features: list[tuple[str, Feature]]


class OnlineReader:
    def __init__(self, client: "redis.Redis", project: str) -> None:
        self._client: Any = client
        self._project = project

    def get(self, features: "str | Sequence[str]", keys: "Sequence[Any]", as_of: int) -> OnlineFeatures:
        """`features`: a view, a service or a list of references. A key: a value, a tuple or a mapping."""
        for _ in range(ATTEMPTS):
            wanted = self._resolve(features)
            join_keys = _union(wanted)
            entities = [_by_name(join_keys, key) for key in keys]
            fetched = self._fetch(wanted, entities)
            if fetched is not None:
                break
        else:
            raise FsyncError(f"{features} is being synced over and over with changing definitions; try again")
        rows: list[dict[str, FeatureValue]] = [{} for _ in entities]
        for view, stored in zip(wanted, fetched, strict=True):
            for row, value in zip(rows, stored, strict=True):
                row.update(_judge(view, value, as_of))
        return OnlineFeatures(
            to_text(as_of), [OnlineRow(key, row) for key, row in zip(entities, rows, strict=True)]
        )

    def join_keys(self, features: "str | Sequence[str]") -> tuple[JoinKey, ...]:
        """The key parts an entity needs, in order."""
        return _union(self._resolve(features))

    def _fetch(
        self, wanted: list[_Wanted], entities: list[dict[str, Any]]
    ) -> "list[list[bytes | None]] | None":
        """The stored rows, all of one instant; None when a view was redefined since its meta was read."""
        if not entities:
            return [[] for _ in wanted]
        with self._client.pipeline(transaction=True) as pipeline:
            for view in wanted:
                keys = layout.view_keys(self._project, view.meta.reference)
                pipeline.hget(keys.meta, "fingerprint")
                fields = [
                    entity_key(view.meta.join_keys, [entity[key.name] for key in view.meta.join_keys])
                    for entity in entities
                ]
                pipeline.hmget(keys.rows, fields)
            answers = pipeline.execute()
        fingerprints = [view.meta.fingerprint.encode() for view in wanted]
        return answers[1::2] if answers[::2] == fingerprints else None

    def _resolve(self, features: "str | Sequence[str]") -> list[_Wanted]:
        known: dict[str, str] = {
            name.decode(): version.decode()
            for name, version in self._client.hgetall(layout.views_key(self._project)).items()
        }
        if isinstance(features, str):
            if ":" not in features:
                return self._resolve_name(features, known)
            features = [features]
        return self._resolve_references(list(features), known)

    def _resolve_name(self, name: str, known: dict[str, str]) -> list[_Wanted]:
        reference = parse_view(name)
        if reference.version is not None or reference.view in known:
            meta = self._meta(reference, known)
            return [_Wanted(meta, [(f"{name}:{feature.name}", feature) for feature in meta.features])]
        stored = self._client.hgetall(layout.services_key(self._project))
        if name.encode() in stored:
            return self._resolve_references(layout.unpack_service(stored[name.encode()]), known)
        services = [service.decode() for service in stored]
        raise self._never_synced(name, [*known, *services])

    def _resolve_references(self, references: list[str], known: dict[str, str]) -> list[_Wanted]:
        wanted: dict[ViewReference, _Wanted] = {}
        for text in references:
            reference = parse_feature(text)
            view = wanted.get(reference.view)
            if view is None:
                view = wanted[reference.view] = _Wanted(self._meta(reference.view, known), [])
            by_name = {feature.name: feature for feature in view.meta.features}
            if reference.feature not in by_name:
                raise FsyncError(
                    f"feature view {view.meta.reference} has no feature '{reference.feature}' in Redis"
                    f"{did_you_mean(reference.feature, by_name)}; if it is new, run `fsync online`"
                )
            view.features.append((text, by_name[reference.feature]))
        return list(wanted.values())

    def _meta(self, reference: ViewReference, known: dict[str, str]) -> ViewMeta:
        if reference.version is None and reference.view not in known:
            raise self._never_synced(reference.view, known)
        version = known[reference.view] if reference.version is None else reference.version
        resolved = str(ViewReference(reference.view, version or None))
        stored = self._client.hgetall(layout.view_keys(self._project, resolved).meta)
        if not stored:
            raise self._never_synced(resolved, known)
        return layout.unpack_meta(stored)

    def _never_synced(self, name: str, known: "Sequence[str] | dict[str, str]") -> FsyncError:
        near = did_you_mean(name.partition("@")[0], known) if name.partition("@")[0] not in known else ""
        return FsyncError(
            f"'{name}' of project {self._project} is not in Redis{near}; run `fsync online` to put it there"
        )


def _union(wanted: list[_Wanted]) -> tuple[JoinKey, ...]:
    keys: dict[str, JoinKey] = {}
    for view in wanted:
        for key in view.meta.join_keys:
            if keys.setdefault(key.name, key).type != key.type:
                raise FsyncError(
                    f"join key {key.name} is {keys[key.name].type} in one view and {key.type} in "
                    f"{view.meta.reference}; ask for them one by one"
                )
    return tuple(keys.values())


def _by_name(join_keys: tuple[JoinKey, ...], key: Any) -> dict[str, Any]:
    names = [part.name for part in join_keys]
    if isinstance(key, dict):
        unknown = [name for name in key if name not in names]
        missing = [name for name in names if name not in key]
        if unknown or missing:
            raise FsyncError(f"a key needs {', '.join(names)}; got {', '.join(map(str, key)) or 'nothing'}")
        return {name: key[name] for name in names}
    parts = list(key) if isinstance(key, (tuple, list)) else [key]
    if len(parts) != len(names):
        raise FsyncError(
            f"key {key!r} has {len(parts)} part{'s' if len(parts) != 1 else ''}, "
            f"but {len(names)} {'are' if len(names) != 1 else 'is'} needed: {', '.join(names)}"
        )
    return dict(zip(names, parts, strict=True))


def _judge(view: _Wanted, stored: bytes | None, as_of: int) -> dict[str, FeatureValue]:
    status: Status = "NOT_FOUND"
    values: dict[str, Any] = {}
    event_timestamp = None
    if stored is not None:
        event, created, body = layout.split_row(stored)
        # A row from after `as_of` says nothing about what was true then.
        if event <= as_of and created <= as_of:
            event_timestamp = to_text(event)
            expired = view.meta.ttl is not None and event < as_of - view.meta.ttl
            status = "OUTSIDE_MAX_AGE" if expired else "PRESENT"
            values = {} if expired else msgspec.json.decode(body)
    answers = {}
    for label, feature in view.features:
        if status != "PRESENT":
            answers[label] = FeatureValue(feature.default, status, event_timestamp)
            continue
        value = values.get(feature.name)
        answers[label] = FeatureValue(value, "NULL" if value is None else "PRESENT", event_timestamp)
    return answers
