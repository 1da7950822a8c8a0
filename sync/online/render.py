"""Arrow batches of newest rows, rendered into Redis' wire format by an in-memory DuckDB."""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import duckdb
import pyarrow
from pyarrow import RecordBatch, RecordBatchReader, Schema

from sync.arrow import arrow_reader
from sync.errors import FsyncError
from sync.instants import DAY, END
from sync.online import layout
from sync.online.entity_key import entity_key_sql
from sync.registry.views import FeatureView

RESP_SQL = r"""
select '$' || strlen(key) || E'\r\n' || key || E'\r\n$' || strlen(value) || E'\r\n' || value || E'\r\n'
from latest"""


class Frames(NamedTuple):
    """Consecutive rows, each two RESP bulk strings (entity key, value), without copying."""

    data: memoryview
    offsets: memoryview

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def slice(self, start: int, stop: int) -> memoryview:
        return self.data[self.offsets[start] : self.offsets[stop]]


class RenderedRows:
    """The newest row of each entity, checked and ready to be written; close it to give the space back."""

    def __init__(self, view: FeatureView) -> None:
        self._spill = tempfile.TemporaryDirectory(prefix="fsync-")
        self._connection = duckdb.connect(":memory:", config={"temp_directory": self._spill.name})
        self._connection.execute("set TimeZone = 'UTC'")
        self._view = view
        self.count = self.max_event = self.max_created = 0

    def __enter__(self) -> "RenderedRows":
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
        self._spill.cleanup()

    def read(self, batches: RecordBatchReader) -> None:
        connection = self._connection
        try:
            connection.register("batches", batches)
            connection.execute(f"create table rendered as {_render_sql(self._view, batches.schema)}")
            connection.unregister("batches")
            _refuse_unservable(self._view, connection)
            _keep_newest(self._view, connection)
            row = _one(connection, "select count(*), max(event), max(created) from latest")
        except duckdb.Error as error:
            raise FsyncError(f"{self._view.reference}: {str(error).partition(chr(10))[0]}") from None
        if row and row[0]:
            self.count, self.max_event, self.max_created = row

    def frames(self) -> Iterator[Frames]:
        for batch in arrow_reader(self._connection, RESP_SQL, 50_000):
            column = batch.column(0)
            _, offsets, data = column.buffers()
            bounds = memoryview(offsets).cast("i")[column.offset : column.offset + len(column) + 1]
            yield Frames(memoryview(data), bounds)


def render(
    view: FeatureView, batches: RecordBatchReader, on_read: Callable[[int], None] | None = None
) -> RenderedRows:
    """Read all batches; refuse the view here, before anything reaches Redis, when a row cannot be served."""
    rows = RenderedRows(view)
    try:
        rows.read(_counted(batches, on_read) if on_read else batches)
    except BaseException:
        rows.__exit__()
        raise
    return rows


def _counted(batches: RecordBatchReader, on_read: Callable[[int], None]) -> RecordBatchReader:
    def generate() -> Iterator[RecordBatch]:
        for batch in batches:
            on_read(batch.num_rows)
            yield batch

    return RecordBatchReader.from_batches(batches.schema, generate())


def _render_sql(view: FeatureView, schema: Schema) -> str:
    event = _micros("e", schema)
    created = f"coalesce({_micros('c', schema)}, {event})" if "c" in schema.names else event
    keys = [f"k{i}" for i in range(len(view.join_keys))]
    features = [f"f{i}" for i in range(len(view.features))]
    checked = [(i, key, view.join_keys[i].type) for i, key in enumerate(keys)]
    checked += [(len(keys) + i, name, view.features[i].type) for i, name in enumerate(features)]
    bad = " ".join(
        f"when not isfinite({name}) then {position}"
        for position, name, scalar in checked
        if scalar in ("float", "timestamp", "date")
    )
    return f"""
select
    {entity_key_sql([key.type for key in view.join_keys], keys)} as key,
    {event} as event,
    {created} as created,
    {layout.json_sql(view.features, features)} as json,
    {f"case {bad} end" if bad else "null"} as bad
from batches"""


def _micros(name: str, schema: Schema) -> str:
    if pyarrow.types.is_date(schema.field(name).type):
        return f"(epoch_us(cast({name} as timestamp)) + {DAY})"
    return f"epoch_us({name})"


def _refuse_unservable(view: FeatureView, connection: duckdb.DuckDBPyConnection) -> None:
    bad = _one(
        connection,
        "select bad, count(*), min(key) from rendered where bad is not null group by bad order by bad",
    )
    if bad:
        position, count, example = bad
        names = [key.name for key in view.join_keys] + [feature.name for feature in view.features]
        raise FsyncError(
            f"{view.reference}: {names[position]} is NaN or infinite in {_rows(count)} "
            f"(for example key {example!r}), which JSON cannot carry; make it NULL in the model"
        )
    outside = _one(
        connection,
        f"""select count(*), min(key) from rendered
        where event < 0 or event >= {END} or created < 0 or created >= {END}""",
    )
    if outside and outside[0]:
        raise FsyncError(
            f"{view.reference}: the event or created timestamp of {_rows(outside[0])} lies outside "
            f"1970 to 2286 (for example key {outside[1]!r})"
        )


def _keep_newest(view: FeatureView, connection: duckdb.DuckDBPyConnection) -> None:
    value = f"{layout.prefix_sql('event', 'created')} || json"
    duplicates = _one(connection, "select count(*) - count(distinct key) from rendered")
    if not duplicates or not duplicates[0]:
        connection.execute(
            f"create view latest as select key, event, created, {value} as value from rendered"
        )
        return
    conflict = _one(
        connection,
        """
        select key, count(distinct json), count(*) over ()
        from (select * from rendered qualify (event, created) = max((event, created)) over (partition by key))
        group by key having count(distinct json) > 1 order by key limit 1""",
    )
    if conflict:
        raise FsyncError(
            f"{view.reference}: key {conflict[0]!r} has {conflict[1]} different rows with the same event "
            f"and created timestamp ({conflict[2]} such keys): none is the newest; break the tie in the model"
        )
    connection.execute(
        f"""create table latest as
        select key, max(event) as event, max((event, created))[2] as created, max({value}) as value
        from rendered group by key"""
    )


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...] | None:
    rows = connection.execute(sql).fetchall()
    return rows[0] if rows else None


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
