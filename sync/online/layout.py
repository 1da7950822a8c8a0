"""The Redis layout, version 3. No other module knows a key of it or the shape of a value.

fsync:{<project>/<view>@<version>}:rows     hash: entity key -> event µs, created µs (16 digits each), a
                                            JSON list of the values in the order of the meta's features
fsync:{<project>/<view>@<version>}:meta     hash: what a reader must know of the view
fsync:{<project>/<view>@<version>}:lock     string: who is syncing the view
fsync:{<project>/<view>@<version>}:pushed   sorted set: entity key -> created µs, of rows that were pushed
fsync:{<project>/<view>@<version>}:stray    sorted set: entity key -> event µs, of pushed rows that the
                                            warehouse never got
fsync:{<project>/<view>@<version>}:mixed    string: rows were pushed since a sync last wrote all of them
fsync:{<project>/<view>@<version>}:staging  string: the token of the rows being written aside
fsync:{<project>}:views                     hash: view -> the version of a bare name ("" = unversioned)
fsync:{<project>}:services                  hash: feature service -> JSON list of references
fsync:{<project>}:tokens                    hash: id of a token -> what it may read (tokens.py)

The braces put everything of a view into one slot of a Redis Cluster, so that a swap is one step.
A view of n shards has the rows of shard i, from 1, under fsync:{<project>/<view>#i/n}:<fingerprint>:rows: the
meta of the view, in one place, says which of them are read, so that a switch of definition is one write. Rows
of the same definition are replaced shard after shard.
"""

from collections.abc import Sequence
from hashlib import md5, sha256
from typing import Any, NamedTuple, TypeVar

import msgspec

from sync.errors import FsyncError
from sync.instants import END
from sync.online.entity_key import timestamp_text_sql
from sync.registry.registry import FeatureService
from sync.registry.views import DRIFT_LIMIT, Feature, FeatureView, JoinKey

Key = TypeVar("Key", str, bytes)
LAYOUT = "3"
PREFIX = 32
# Of a stored row.
EVENT, CREATED, BODY = slice(PREFIX // 2), slice(PREFIX // 2, PREFIX), slice(PREFIX, None)


class ViewKeys(NamedTuple):
    """Of one shard, all in one slot; the meta of shard 0 stands for the view."""

    stem: str
    lock: str

    @property
    def rows(self) -> str:
        return f"{self.stem}:rows"

    @property
    def meta(self) -> str:
        return f"{self.stem}:meta"

    @property
    def pushed(self) -> str:
        return f"{self.stem}:pushed"

    @property
    def stray(self) -> str:
        return f"{self.stem}:stray"

    @property
    def mixed(self) -> str:
        return f"{self.stem}:mixed"

    @property
    def staging(self) -> str:
        return f"{self.stem}:staging"

    @property
    def data(self) -> tuple[str, ...]:
        """The rows, and what is noted of them."""
        return self.rows, self.pushed, self.stray, self.mixed

    def aside(self, token: str) -> str:
        return f"{self.stem}:next:{token}"

    def retired(self, token: str) -> str:
        return f"{self.stem}:old:{token}"


def view_keys(project: str, reference: str) -> ViewKeys:
    stem = f"fsync:{{{project}/{reference}}}"
    return ViewKeys(stem, f"{stem}:lock")


def shard_keys(project: str, reference: str, shards: int, fingerprint: str) -> list[ViewKeys]:
    stems = [f"fsync:{{{project}/{reference}#{shard}/{shards}}}" for shard in range(1, shards)]
    others = [ViewKeys(f"{stem}:{fingerprint}", f"{stem}:lock") for stem in stems]
    return [view_keys(project, reference), *others]


def shard_of(field: str, shards: int) -> int:
    """The shard of an entity key; `shard_sql` is the same in DuckDB."""
    if shards == 1:
        return 0
    digest = md5(field.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little") % shards


def by_shard(rows: Sequence[Key], fields: Sequence[str]) -> "list[tuple[Key, Sequence[str], Sequence[int]]]":
    """Of each shard that is asked: the key of its rows, of those given, the fields, and their places."""
    if len(rows) == 1:
        return [(rows[0], fields, range(len(fields)))]
    places: dict[int, list[int]] = {}
    for place, field in enumerate(fields):
        places.setdefault(shard_of(field, len(rows)), []).append(place)
    return [(rows[shard], [fields[place] for place in own], own) for shard, own in sorted(places.items())]


def shard_sql(column: str, shards: int) -> str:
    return "0" if shards == 1 else f"md5_number_upper({column}) % {shards}"


def views_key(project: str) -> str:
    return f"fsync:{{{project}}}:views"


def services_key(project: str) -> str:
    return f"fsync:{{{project}}}:services"


def tokens_key(project: str) -> str:
    return f"fsync:{{{project}}}:tokens"


class Source(msgspec.Struct, frozen=True):
    """What the warehouse knew at a sync, from which the next one goes on.

    `watermark`: the newest created timestamp, µs. `known`: how many rows were created up to it, `checksum`:
    of their created timestamps. `lineage`: of the SQL of the view and all models above it.
    """

    watermark: int
    known: int
    lineage: str
    checksum: int | None = None


class Replaced(msgspec.Struct, frozen=True):
    """A definition whose rows remain in its later shards. `kin`: what was pushed to them is to come over."""

    shards: int
    fingerprint: str
    kin: bool


class ViewMeta(msgspec.Struct, frozen=True):
    """`replaced`: from a switch of definition until all that it leaves to do is done. `pending`: what a sync
    writes, until all of it is in. `definition`: as it was read; it changes when a reader must know something
    else of the view, which newer rows are not.
    """

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
    shards: int = 1
    source: Source | None = None
    replaced: Replaced | None = None
    pending: Source | None = None
    definition: str = ""

    @property
    def reference(self) -> str:
        return self.view if self.version is None else f"{self.view}@{self.version}"

    def suits(self, view: FeatureView) -> bool:
        """Whether a row of it can stand among rows of the view as it is defined now, and where it stood."""
        own = (self.shards, self.join_keys, _shape(self.features))
        return own == (view.shards, view.join_keys, _shape(view.features))


def _shape(features: Sequence[Feature]) -> list[tuple[str, str]]:
    """In their order, which is that of a row's values."""
    return [(feature.name, feature.type) for feature in features]


def meta_of(
    view: FeatureView,
    *,
    as_of: int,
    synced_at: int,
    rows: int,
    max_event: int,
    max_created: int,
    source: Source | None,
) -> ViewMeta:
    return ViewMeta(
        view=view.name,
        version=view.version,
        join_keys=view.join_keys,
        features=tuple(
            msgspec.structs.replace(feature, description="", drift=DRIFT_LIMIT) for feature in view.features
        ),
        ttl=view.ttl,
        as_of=as_of,
        synced_at=synced_at,
        rows=rows,
        max_event=max_event,
        max_created=max_created,
        fingerprint=view.fingerprint,
        shards=view.shards,
        source=source,
    )


def pack_meta(meta: ViewMeta) -> dict[str, str]:
    replaced = {} if meta.replaced is None else {"replaced": msgspec.json.encode(meta.replaced).decode()}
    defined = {
        "fingerprint": meta.fingerprint,
        "shards": str(meta.shards),
        "join_keys": msgspec.json.encode(meta.join_keys).decode(),
        "features": msgspec.json.encode(meta.features).decode(),
        "ttl_us": "" if meta.ttl is None else str(meta.ttl),
    }
    return {
        "layout": LAYOUT,
        "view": meta.view,
        "version": meta.version or "",
        **defined,
        "definition": sha256(msgspec.json.encode(defined)).hexdigest()[:16],
        "as_of": str(meta.as_of),
        "synced_at": str(meta.synced_at),
        "rows": str(meta.rows),
        "max_event": str(meta.max_event),
        "max_created": str(meta.max_created),
        "source": pack_source(meta.source),
        **replaced,
    }


def pack_source(source: Source | None) -> str:
    return msgspec.json.encode(source).decode()


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
            shards=int(fields.get("shards", "1")),
            source=msgspec.json.decode(fields.get("source", "null"), type=Source | None),
            replaced=msgspec.json.decode(fields.get("replaced", "null"), type=Replaced | None),
            pending=msgspec.json.decode(fields.get("pending", "null"), type=Source | None),
            definition=fields["definition"],
        )
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise FsyncError(
            f"the meta of a view in Redis is damaged ({error}); run `fsync online --full-refresh`"
        ) from None


def instant_text(instant: int) -> bytes:
    """As rows spell it, for instants from 0 up to END: 16 digits, which sort as the instants do."""
    return b"%016d" % instant


def split_row(value: bytes) -> tuple[int, int, bytes]:
    """Event µs, created µs and the JSON list of a stored row."""
    return int(value[:16]), int(value[16:PREFIX]), value[PREFIX:]


# What `json_array` spells exactly: it would widen FLOAT 0.1 to 0.10000000149 and round a long DECIMAL.
_EXACT = {
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}
_EXACT |= {"DOUBLE", "VARCHAR", "DATE"}


def json_sql(features: tuple[Feature, ...], columns: "list[tuple[str, str]]") -> str:
    """The JSON list of a row as DuckDB SQL over columns given with their types.

    Neighbours that `json_array` spells exactly are one call of it, which is several times faster than casts.
    """
    runs: list[tuple[bool, list[str]]] = []
    for feature, (column, data_type) in zip(features, columns, strict=True):
        value = timestamp_text_sql(column) if feature.type == "timestamp" else column
        exact = feature.type == "timestamp" or data_type in _EXACT
        if not runs or not exact or not runs[-1][0]:
            runs.append((exact, []))
        runs[-1][1].append(value if exact else f"coalesce(cast({column} as varchar), 'null')")
    lists = [
        f"cast(json_array({', '.join(parts)}) as varchar)" if exact else parts[0] for exact, parts in runs
    ]
    if len(runs) == 1 and runs[0][0]:
        return lists[0]
    bare = [f"{sql}[2:-2]" if exact else sql for (exact, _), sql in zip(runs, lists, strict=True)]
    return "concat('[', " + ", ',', ".join(bare) + ", ']')"


def prefix_sql(event_us: str, created_us: str) -> str:
    """Two arguments of `concat`; instants lie between 0 and 10^16."""
    return ", ".join(f"right(cast({END} + {us} as varchar), 16)" for us in (event_us, created_us))


def pack_services(services: dict[str, FeatureService]) -> dict[Any, Any]:
    return {name: msgspec.json.encode(service.features).decode() for name, service in services.items()}


def unpack_service(stored: bytes) -> list[str]:
    return msgspec.json.decode(stored, type=list[str])
