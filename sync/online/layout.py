"""The Redis layout, version 1. No other module knows a key of it or the shape of a value.

fsync:{<project>/<view>@<version>}:rows    hash: entity key -> event µs, created µs (16 digits each), JSON
fsync:{<project>/<view>@<version>}:meta    hash: what a reader must know of the view
fsync:{<project>/<view>@<version>}:lock    string: who is syncing the view
fsync:{<project>}:views                    hash: view -> the version a bare name stands for ("" = unversioned)
fsync:{<project>}:services                 hash: feature service -> JSON list of references

The braces put everything of a view into one slot of a Redis Cluster, so that a swap is one transaction.
"""

from typing import Any, NamedTuple

import msgspec

from sync.errors import FsyncError
from sync.online.entity_key import timestamp_text_sql
from sync.registry.registry import FeatureService
from sync.registry.types import ScalarType
from sync.registry.views import Feature, FeatureView, JoinKey

LAYOUT = "1"
PREFIX = 32


class ViewKeys(NamedTuple):
    rows: str
    meta: str
    lock: str

    def aside(self, token: str) -> str:
        return f"{self.rows.removesuffix(':rows')}:next:{token}"

    def retired(self, token: str) -> str:
        return f"{self.rows.removesuffix(':rows')}:old:{token}"


def view_keys(project: str, reference: str) -> ViewKeys:
    stem = f"fsync:{{{project}/{reference}}}"
    return ViewKeys(f"{stem}:rows", f"{stem}:meta", f"{stem}:lock")


def views_key(project: str) -> str:
    return f"fsync:{{{project}}}:views"


def services_key(project: str) -> str:
    return f"fsync:{{{project}}}:services"


class ViewMeta(msgspec.Struct, frozen=True):
    view: str
    version: str | None
    join_keys: tuple[JoinKey, ...]
    features: tuple[Feature, ...]
    ttl: int | None
    as_of: int
    synced_at: int
    rows: int
    max_event: int
    max_created: int
    fingerprint: str

    @property
    def reference(self) -> str:
        return self.view if self.version is None else f"{self.view}@{self.version}"


def meta_of(
    view: FeatureView, *, as_of: int, synced_at: int, rows: int, max_event: int, max_created: int
) -> ViewMeta:
    return ViewMeta(
        view=view.name,
        version=view.version,
        join_keys=view.join_keys,
        features=tuple(msgspec.structs.replace(feature, description="") for feature in view.features),
        ttl=view.ttl,
        as_of=as_of,
        synced_at=synced_at,
        rows=rows,
        max_event=max_event,
        max_created=max_created,
        fingerprint=view.fingerprint,
    )


def pack_meta(meta: ViewMeta) -> dict[Any, Any]:
    return {
        "layout": LAYOUT,
        "view": meta.view,
        "version": meta.version or "",
        "join_keys": msgspec.json.encode(meta.join_keys).decode(),
        "features": msgspec.json.encode(meta.features).decode(),
        "ttl_us": "" if meta.ttl is None else str(meta.ttl),
        "as_of": str(meta.as_of),
        "synced_at": str(meta.synced_at),
        "rows": str(meta.rows),
        "max_event": str(meta.max_event),
        "max_created": str(meta.max_created),
        "fingerprint": meta.fingerprint,
    }


def unpack_meta(stored: dict[bytes, bytes]) -> ViewMeta:
    fields = {name.decode(): value.decode() for name, value in stored.items()}
    try:
        if fields["layout"] != LAYOUT:
            raise FsyncError(
                f"{fields.get('view')} is in Redis layout {fields['layout']}, this fsync reads {LAYOUT}; "
                "run `fsync online --full-refresh`"
            )
        return ViewMeta(
            view=fields["view"],
            version=fields["version"] or None,
            join_keys=msgspec.json.decode(fields["join_keys"], type=tuple[JoinKey, ...]),
            features=msgspec.json.decode(fields["features"], type=tuple[Feature, ...]),
            ttl=int(fields["ttl_us"]) if fields["ttl_us"] else None,
            as_of=int(fields["as_of"]),
            synced_at=int(fields["synced_at"]),
            rows=int(fields["rows"]),
            max_event=int(fields["max_event"]),
            max_created=int(fields["max_created"]),
            fingerprint=fields["fingerprint"],
        )
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise FsyncError(
            f"the meta of a view in Redis is damaged ({error}); run `fsync online --full-refresh`"
        ) from None


def split_row(value: bytes) -> tuple[int, int, bytes]:
    """Event µs, created µs and the JSON object of a stored row."""
    return int(value[:16]), int(value[16:PREFIX]), value[PREFIX:]


def json_sql(features: tuple[Feature, ...], columns: list[str]) -> str:
    """The JSON object of a row as DuckDB SQL. Numbers are spelled by a cast: `to_json` would widen FLOAT 0.1
    to 0.10000000149 and round what does not fit a double."""
    parts = []
    for feature, column in zip(features, columns, strict=True):
        name = _sql_text(msgspec.json.encode(feature.name).decode() + ":")
        parts.append(f"{name} || coalesce({_value_sql(feature.type, column)}, 'null')")
    return "'{' || " + " || ',' || ".join(parts) + " || '}'"


def _value_sql(scalar: ScalarType, column: str) -> str:
    if scalar == "string":
        return f"cast(to_json({column}) as varchar)"
    if scalar == "date":
        return f"""'"' || cast({column} as varchar) || '"'"""
    if scalar == "timestamp":
        return f"""'"' || {timestamp_text_sql(column)} || '"'"""
    return f"cast({column} as varchar)"


def prefix_sql(event_us: str, created_us: str) -> str:
    return f"lpad(cast({event_us} as varchar), 16, '0') || lpad(cast({created_us} as varchar), 16, '0')"


def _sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def pack_services(services: dict[str, FeatureService]) -> dict[Any, Any]:
    return {name: msgspec.json.encode(service.features).decode() for name, service in services.items()}


def unpack_service(stored: bytes) -> list[str]:
    return msgspec.json.decode(stored, type=list[str])
