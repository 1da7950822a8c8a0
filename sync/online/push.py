"""Rows written as they happen, past the warehouse: the greatest (event, created) wins, whoever writes it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import pyarrow
import redis

from sync.arrow import arrow_reader
from sync.engine import Engine
from sync.errors import FsyncError, did_you_mean
from sync.instants import now
from sync.online import layout, scripts
from sync.online.connect import node_of
from sync.online.layout import ViewKeys, ViewMeta
from sync.online.pipe import packed
from sync.online.read import read_meta
from sync.online.render import Renderer
from sync.registry.types import TIMES, ScalarType, scalar_type
from sync.registry.views import FeatureView
from sync.warehouse.duckdb import DuckDBWarehouse

ROWS_PER_STEP = 200
# Of a sync that begins or ends between the question where to write and the writing.
ATTEMPTS = 20
_CASTS: dict[ScalarType, str] = {"integer": "bigint", "float": "double", "decimal": "decimal(38, 9)"}


class Pushed(NamedTuple):
    """`rows` that were given, `written` of them; the others are no newer than what stands there."""

    rows: int
    written: int


def push_rows(client: Any, engine: Engine, project: str, view: FeatureView, table: pyarrow.Table) -> Pushed:
    """Write rows of a view that is in Redis; without a created timestamp they were created now.

    Raises FsyncError, with nothing written, when the view is not there as defined or the rows do not suit.
    """
    meta = _defined(client, project, view)
    with engine.cursor() as connection, Renderer(view, engine) as renderer:
        connection.register("given", table)
        try:
            renderer.keep(arrow_reader(connection, _shaped(view, connection, now()), 50_000))
        except duckdb.Error as error:
            raise FsyncError(f"{view.reference}: {str(error).partition(chr(10))[0]}") from None
        shards = layout.shard_keys(project, view.reference, meta.shards, meta.fingerprint)
        rows = written = 0
        for frame in renderer.kept():
            for count, strings in frame.parts(ROWS_PER_STEP):
                rows += count
                written += _merge(client, shards[frame.shard], frame.shard, meta, count, strings)
        # Later shards know no definition: what came after a switch stands where nobody reads.
        if meta.shards > 1 and client.hget(shards[0].meta, "fingerprint") != meta.fingerprint.encode():
            raise _changed(view.reference)
        if rows:
            client.eval(scripts.NEWEST, 1, shards[0].meta, renderer.max_event, renderer.max_created)
    return Pushed(rows, written)


def _merge(client: Any, keys: ViewKeys, shard: int, meta: ViewMeta, count: int, strings: memoryview) -> int:
    node = node_of(client, keys.rows)
    for _ in range(ATTEMPTS):
        token = (client.get(keys.staging) or b"").decode()
        aside = keys.aside(token) if token else keys.rows
        command = packed(
            *("EVAL", scripts.MERGE, "7", keys.rows, keys.meta, keys.pushed, keys.staging, aside, keys.lock),
            *(keys.mixed, meta.fingerprint if shard == 0 else "", "", token),
            rows=strings,
            strings=2 * count,
        )
        connection: Any = node.connection_pool.get_connection()
        try:
            connection.send_packed_command([command])
            answer = connection.read_response()
        except redis.ResponseError as error:
            if "STAGING" in str(error):
                continue
            if "REDEFINED" in str(error):
                raise _changed(meta.reference) from None
            raise
        except BaseException:
            connection.disconnect()
            raise
        finally:
            node.connection_pool.release(connection)
        return int(answer[1])
    raise FsyncError(f"{meta.reference} is being synced over and over; try again")


def _defined(client: Any, project: str, view: FeatureView) -> ViewMeta:
    meta = read_meta(client, project, view.reference)
    if meta is None:
        raise FsyncError(f"{view.reference} is not in Redis yet; run `fsync online` first")
    if meta.fingerprint != view.fingerprint or meta.shards != view.shards:
        raise _changed(view.reference)
    return meta


def _changed(reference: str) -> FsyncError:
    return FsyncError(f"{reference} is defined otherwise in Redis than in the project; run `fsync online`")


def _shaped(view: FeatureView, connection: duckdb.DuckDBPyConnection, created: int) -> str:
    """The columns that `Latest` gives, from columns called as the view calls them."""
    warehouse = DuckDBWarehouse(connection)
    types = dict(warehouse.schema("select * from given"))
    wanted = {key.name: key.type for key in view.join_keys} | {f.name: f.type for f in view.features}
    times = [view.event_timestamp, *([view.created_timestamp] if view.created_timestamp else [])]
    for name in types:
        if name not in wanted and name not in times:
            known = [*wanted, *times]
            raise FsyncError(f"{view.reference} has no column {name}{did_you_mean(name, known)}")
    for name in [*wanted, view.event_timestamp]:
        if name not in types:
            raise FsyncError(f"{view.reference}: the rows have no column {name}")

    def micros(name: str) -> str:
        if scalar_type(types[name]) not in TIMES:
            raise FsyncError(f"{view.reference}: {name} is {types[name]}; it must be a timestamp")
        return warehouse.micros(warehouse.quote(name), warehouse.time_kind(types[name]))

    event = micros(view.event_timestamp)
    known_at = str(created)
    if view.created_timestamp in types:
        known_at = f"coalesce({micros(view.created_timestamp)}, {created})"
    elif not view.created_timestamp:
        known_at = event
    values = [
        f"{_typed(view, name, types[name], scalar, warehouse)} as {label}"
        for (name, scalar), label in zip(wanted.items(), _labels(view), strict=True)
    ]
    missing = " or ".join(
        f"{warehouse.quote(name)} is null"
        for name in [*(k.name for k in view.join_keys), view.event_timestamp]
    )
    incomplete = warehouse.row(f"select count(*) from given where {missing}")[0]
    if incomplete:
        raise FsyncError(f"{view.reference}: {incomplete} of the rows lack a key or an event timestamp")
    return f"select {', '.join(values)}, {event} as e, {known_at} as c from given"


def _labels(view: FeatureView) -> Iterator[str]:
    yield from (f"k{i}" for i in range(len(view.join_keys)))
    yield from (f"f{i}" for i in range(len(view.features)))


def _typed(
    view: FeatureView, name: str, data_type: str, scalar: ScalarType, warehouse: DuckDBWarehouse
) -> str:
    given, column = scalar_type(data_type), warehouse.quote(name)
    if given == scalar:
        return column
    numbers = given in _CASTS and scalar in _CASTS
    if data_type == '"NULL"' or numbers:
        return f"cast({column} as {_CASTS.get(scalar, 'varchar')})"
    raise FsyncError(f"{view.reference}: {name} is {data_type} in the rows, but {scalar} in the contract")
