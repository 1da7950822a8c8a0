"""Reads features. All that must be known of a view stands in Redis: a serving host needs no dbt project."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sync.errors import FsyncError
from sync.instants import to_text
from sync.online import layout
from sync.online.entity_key import entity_key
from sync.online.fetch import fetch_rows
from sync.online.judge import Bounds, Status, bounds, judge
from sync.online.layout import ViewMeta
from sync.online.resolve import Resolver, Wanted, key_by_name, union_of_keys
from sync.registry.views import JoinKey

if TYPE_CHECKING:
    import pyarrow as pa
    import redis

# Of reading meta and rows that belong together, against a sync that redefines the view in between.
ATTEMPTS = 5


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

    def to_arrow(self) -> "pa.Table":
        import pyarrow as pa

        return pa.table(self.to_dict())

    def to_pandas(self) -> Any:
        return self.to_arrow().to_pandas()


def several(entity_keys: "Sequence[Any]") -> list[Any]:
    """Raises FsyncError for one key alone, which would be taken for a list of its letters or parts."""
    if isinstance(entity_keys, str | bytes | Mapping):
        raise FsyncError(f"entity_keys is a list of keys; write [{entity_keys!r}]")
    return list(entity_keys)


class OnlineReader:
    def __init__(self, client: "redis.Redis", project: str) -> None:
        self._client: Any = client
        self._project = project

    def get(self, features: "str | Sequence[str]", keys: "Sequence[Any]", as_of: int) -> OnlineFeatures:
        """`features`: a view, a service or a list of references. A key: a value, a tuple or a mapping."""
        for _ in range(ATTEMPTS):
            wanted = self._resolve(features)
            join_keys = union_of_keys(wanted)
            entities = [key_by_name(join_keys, key) for key in keys]
            fetched = self._fetch(wanted, entities)
            if fetched is not None:
                break
        else:
            raise FsyncError(f"{features} is being synced over and over with changing definitions; try again")
        rows: list[dict[str, FeatureValue]] = [{} for _ in entities]
        for view, stored in zip(wanted, fetched, strict=True):
            served = bounds(view.meta, as_of)
            names = [feature.name for feature in view.meta.features]
            for row, value in zip(rows, stored, strict=True):
                row.update(_judge(view, names, value, served))
        return OnlineFeatures(
            to_text(as_of), [OnlineRow(key, row) for key, row in zip(entities, rows, strict=True)]
        )

    def join_keys(self, features: "str | Sequence[str]") -> tuple[JoinKey, ...]:
        """The key parts an entity needs, in order."""
        return union_of_keys(self._resolve(features))

    def _fetch(
        self, wanted: list[Wanted], entities: list[dict[str, Any]]
    ) -> "list[list[bytes | None]] | None":
        """The stored rows, all of one instant; None when a view was redefined since its meta was read."""
        if not entities:
            return [[] for _ in wanted]
        fields = [
            [
                entity_key(view.meta.join_keys, [entity[key.name] for key in view.meta.join_keys])
                for entity in entities
            ]
            for view in wanted
        ]
        return fetch_rows(self._client, self._project, [view.meta for view in wanted], fields)

    def _resolve(self, features: "str | Sequence[str]") -> list[Wanted]:
        known = {
            name.decode(): version.decode()
            for name, version in self._client.hgetall(layout.views_key(self._project)).items()
        }
        return Resolver(self._project, known, self._services, self._meta).resolve(features)

    def _services(self) -> dict[str, list[str]]:
        stored = self._client.hgetall(layout.services_key(self._project))
        return {name.decode(): layout.unpack_service(references) for name, references in stored.items()}

    def _meta(self, reference: str) -> ViewMeta | None:
        stored = self._client.hgetall(layout.view_keys(self._project, reference).meta)
        return layout.unpack_meta(stored) if stored else None


def read_meta(client: Any, project: str, reference: str, *, lenient: bool = False) -> ViewMeta | None:
    stored = client.hgetall(layout.view_keys(project, reference).meta)
    try:
        return layout.unpack_meta(stored) if stored else None
    except FsyncError:
        if lenient:
            return None
        raise


def _judge(view: Wanted, names: list[str], stored: bytes | None, served: Bounds) -> dict[str, FeatureValue]:
    """`names`: of all the view's features, in the order of the stored values."""
    status, event, values = judge(stored, served), None, {}
    if stored is not None and status != "NOT_FOUND":
        event = to_text(int(stored[layout.EVENT]))
    if stored is not None and status == "PRESENT":
        values = dict(zip(names, msgspec.json.decode(stored[layout.BODY]), strict=True))
    answers = {}
    for label, feature in view.features:
        if status != "PRESENT":
            answers[label] = FeatureValue(feature.default, status, event)
            continue
        value = values[feature.name]
        answers[label] = FeatureValue(value, "NULL" if value is None else "PRESENT", event)
    return answers
