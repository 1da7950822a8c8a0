"""Proof of parity: a point-in-time join at the instant of the last sync, against what Redis holds."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow

from sync.engine import quoted
from sync.errors import FsyncError
from sync.instants import to_text
from sync.offline.historical import HistoricalFeatures, Options
from sync.online import layout
from sync.online.entity_key import entity_key_sql, split_entity_key
from sync.online.layout import ViewMeta
from sync.online.read import read_meta
from sync.project import Project, Target
from sync.registry.registry import Registry
from sync.registry.types import ScalarType
from sync.registry.views import FeatureView
from sync.warehouse.latest import view_columns
from sync.warehouse.open import open_warehouse

SAMPLE = 1000
EXAMPLES = 3
PAGE = 5000
# The warehouse's times are compared through an age in seconds.
_SECOND = 1_000_000
_ASKED = "fsync_asked_at"
_TYPES: dict[ScalarType, str] = {
    "integer": "bigint",
    "float": "double",
    "decimal": "decimal(38, 9)",
    "boolean": "boolean",
    "string": "varchar",
    "date": "date",
    "timestamp": "timestamp",
}


class Example(NamedTuple):
    key: str
    what: str
    redis: str | None
    warehouse: str | None


class Verification(NamedTuple):
    """Of `rows` entities compared: `missing` in Redis, `extra` there, `mismatches` by feature.

    `ahead`: pushed rows that the warehouse does not know yet, which are not judged.
    """

    view: str
    as_of: str
    rows: int
    matched: int
    missing: int
    extra: int
    ahead: int
    mismatches: dict[str, int]
    examples: list[Example]

    @property
    def holds(self) -> bool:
        return not (self.missing or self.extra or self.mismatches)


def verify_view(
    project: Project, target: Target, registry: Registry, client: Any, view: FeatureView, sample: int | None
) -> Verification:
    """Compare all entities, or a sample of so many from each side.

    Raises FsyncError when the view is not in Redis, or not as it is defined now.
    """
    meta = _comparable(client, project.name, view)
    keys = None if sample is None else _sample(client, project, target, view, meta, sample)
    expected = HistoricalFeatures(
        project,
        target,
        registry,
        _all_keys(project, target, view, meta) if keys is None else keys,
        [f"{view.reference}:{feature.name}" for feature in view.features],
        Options(_ASKED, ages=True, full_names=True, defaults=False, as_known_at=meta.as_of),
    )
    columns = list(expected.columns)
    with duckdb.connect(":memory:") as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("asked", expected)
        values = [f"{quoted(column)} as f{i}" for i, column in enumerate(columns[:-1])]
        connection.execute(
            f"create table expected as select {_key_sql(view)} as key, {', '.join(values)}, "
            f"{quoted(columns[-1])} as age from asked"
        )
        _read_actual(connection, client, project.name, meta, sampled=keys is not None)
        if _comparable(client, project.name, view).synced_at != meta.synced_at:
            raise FsyncError(f"{view.reference} was synced while it was compared; run again")
        return _compare(connection, view, meta)


def _comparable(client: Any, project: str, view: FeatureView) -> ViewMeta:
    meta = read_meta(client, project, view.reference)
    if meta is None:
        raise FsyncError(f"{view.reference} is not in Redis; run `fsync online`")
    if meta.fingerprint != view.fingerprint:
        raise FsyncError(
            f"{view.reference} is defined otherwise in Redis than in the project; run `fsync online`"
        )
    return meta


def _all_keys(project: Project, target: Target, view: FeatureView, meta: ViewMeta) -> str:
    with open_warehouse(project, target) as warehouse:
        names = ", ".join(warehouse.quote(key.name) for key in view.join_keys)
        complete = " and ".join(f"{warehouse.quote(key.name)} is not null" for key in view.join_keys)
        asked = warehouse.literal(meta.as_of, "naive")
        return f"select distinct {names}, {asked} as {_ASKED} from {view.relation} where {complete}"


def _sample(
    client: Any, project: Project, target: Target, view: FeatureView, meta: ViewMeta, sample: int
) -> pyarrow.Table:
    """Keys that Redis has, and keys that the warehouse has."""
    shards = layout.shard_keys(project.name, view.reference, meta.shards, meta.fingerprint)
    share = -(-sample // len(shards))
    fields = [field.decode() for keys in shards for field in client.hrandfield(keys.rows, share) or []]
    parts = [split_entity_key(field) if len(view.join_keys) > 1 else [field] for field in fields]
    names = [quoted(key.name) for key in view.join_keys]
    with open_warehouse(project, target) as warehouse, duckdb.connect(":memory:") as connection:
        view_columns(view, warehouse)
        own = ", ".join(warehouse.quote(key.name) for key in view.join_keys)
        complete = " and ".join(f"{warehouse.quote(key.name)} is not null" for key in view.join_keys)
        text = " || ',' || ".join(f"cast({warehouse.quote(key.name)} as string)" for key in view.join_keys)
        # Other entities at each sync, the same ones when it is repeated.
        drawn = (
            f"select {own} from (select distinct {own} from {view.relation} where {complete}) as keys "
            f"order by md5({text} || '{meta.synced_at}') limit {sample}"
        )
        with warehouse.arrow(drawn) as batches:
            connection.register("drawn", batches.read_all())
        typed = [
            f"cast({name} as {_TYPES[k.type]}) as {name}"
            for name, k in zip(names, view.join_keys, strict=True)
        ]
        tried = [f"try_{value}" for value in typed]
        held = pyarrow.table(
            {
                key.name: pyarrow.array([p[i] for p in parts], pyarrow.string())
                for i, key in enumerate(view.join_keys)
            }
        )
        connection.register("held", held)
        asked = f"make_timestamp({meta.as_of}) as {_ASKED}"
        return connection.sql(
            f"select *, {asked} "
            f"from (select {', '.join(typed)} from drawn union select {', '.join(tried)} from held)"
        ).to_arrow_table()


def _read_actual(
    connection: duckdb.DuckDBPyConnection, client: Any, project: str, meta: ViewMeta, *, sampled: bool
) -> None:
    connection.execute("create table actual (key varchar, event bigint, created bigint, json varchar)")
    if sampled:
        fields = [key for (key,) in connection.sql("select distinct key from expected").fetchall()]
        pages = _some_rows(client, project, meta, fields)
    else:
        pages = _all_rows(client, project, meta)
    for page in pages:
        split = [(field, *layout.split_row(row)) for field, row in page]
        if split:
            columns = list(zip(*split, strict=True))
            rows = {
                "key": pyarrow.array(columns[0], pyarrow.binary()).cast(pyarrow.string()),
                "event": columns[1],
                "created": columns[2],
                "json": pyarrow.array(columns[3], pyarrow.binary()).cast(pyarrow.string()),
            }
            connection.register("page", pyarrow.table(rows))
            connection.execute("insert into actual select * from page")


def _some_rows(
    client: Any, project: str, meta: ViewMeta, fields: Sequence[str]
) -> Iterator[list[tuple[bytes, bytes]]]:
    shards = layout.shard_keys(project, meta.reference, meta.shards, meta.fingerprint)
    for shard, keys in enumerate(shards):
        own = [field for field in fields if layout.shard_of(field, meta.shards) == shard]
        for start in range(0, len(own), PAGE):
            page = own[start : start + PAGE]
            stored = zip(page, client.hmget(keys.rows, page), strict=True)
            yield [(field.encode(), row) for field, row in stored if row is not None]


def _all_rows(client: Any, project: str, meta: ViewMeta) -> Iterator[list[tuple[bytes, bytes]]]:
    for keys in layout.shard_keys(project, meta.reference, meta.shards, meta.fingerprint):
        cursor = -1
        # A scan may tell of an entity twice.
        while cursor:
            cursor, page = client.hscan(keys.rows, max(cursor, 0), count=PAGE)
            yield list(page.items())


def _compare(connection: duckdb.DuckDBPyConnection, view: FeatureView, meta: ViewMeta) -> Verification:
    types = {name: kind for name, kind, *_ in connection.execute("describe expected").fetchall()}
    watermark = meta.source.watermark if meta.source else meta.max_created
    features = []
    for i, feature in enumerate(view.features):
        stored = f"json_extract_string(json, '$[{i}]')"
        value = f"f{i}"
        if feature.type == "timestamp":
            stored, value = f"epoch_us(try_cast({stored} as timestamptz))", f"epoch_us(f{i})"
        elif feature.type == "integer":
            # Arrow has no type for the largest of them; all are spelled in one way.
            value = f"cast(f{i} as varchar)"
        else:
            stored = f"try_cast({stored} as {types[f'f{i}']})"
        features.append((f"wrong{i}", feature.name, stored, value))
    happened = f"abs({meta.as_of} - age * {_SECOND} - event) >= {_SECOND}"
    wrong = [f"{stored} is distinct from {value} as {name}" for name, _, stored, value in features]
    connection.execute(
        f"""
create table compared as
select
    coalesce(a.key, e.key) as key, a.* exclude (key), e.* exclude (key),
    a.key is not null and a.created > {watermark} as ahead,
    e.age is not null as served,
    a.key is not null as stored,
    served and stored and not ahead as judged,
    judged and {happened} as wrong_event,
    {", ".join(f"judged and {condition}" for condition in wrong)}
from (select distinct on (key) * from actual) as a
full join (select distinct on (key) * from expected) as e on a.key = e.key"""
    )
    names = [("wrong_event", view.event_timestamp, "event", f"{meta.as_of} - age * {_SECOND}"), *features]
    sums = ", ".join(f"count(*) filter ({name})" for name, *_ in names)
    any_wrong = " or ".join(name for name, *_ in names)
    row: Any = connection.execute(
        f"""
select count(*) filter (served or stored), count(*) filter (judged and not ({any_wrong})),
    count(*) filter (served and not stored), count(*) filter (stored and not served and not ahead),
    count(*) filter (ahead), {sums}
from compared"""
    ).fetchone()
    rows, matched, missing, extra, ahead, *counts = row
    mismatches = {name: count for (_, name, *_), count in zip(names, counts, strict=True) if count}
    examples = [
        *_examples(connection, "missing in Redis", "served and not stored", "null", "'served'"),
        *_examples(connection, "extra in Redis", "stored and not served and not ahead", "json", "null"),
    ]
    for flag, name, stored, value in names:
        if name in mismatches:
            examples += _examples(connection, name, flag, stored, value)
    return Verification(
        view.reference, to_text(meta.as_of), rows, matched, missing, extra, ahead, mismatches, examples
    )


def _examples(
    connection: duckdb.DuckDBPyConnection, what: str, condition: str, stored: str, value: str
) -> list[Example]:
    found = connection.execute(
        f"select key, cast({stored} as varchar), cast({value} as varchar) from compared "
        f"where {condition} order by key limit {EXAMPLES}"
    ).fetchall()
    return [Example(key, what, redis, warehouse) for key, redis, warehouse in found]


def _key_sql(view: FeatureView) -> str:
    return entity_key_sql([key.type for key in view.join_keys], [quoted(key.name) for key in view.join_keys])
