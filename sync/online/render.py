"""Arrow batches of newest rows, rendered into Redis' wire format by DuckDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb
import pyarrow.compute
from pyarrow import RecordBatchReader

from sync.arrow import arrow_reader
from sync.engine import Engine
from sync.errors import FsyncError
from sync.instants import END
from sync.online import layout
from sync.online.entity_key import entity_key_sql
from sync.registry.views import FeatureView
from sync.words import counted

ROWS_PER_BATCH = 25_000
_TIME = -1
# Of a column of nothing but NULL, when the warehouse's driver does not say.
_NEUTRAL = {"timestamp": "timestamp", "date": "date", "float": "double"}

_RENDERED = r"""
select
    concat(
        '$', strlen(key), E'\r\n', key, E'\r\n',
        '$', {prefix} + strlen(json), E'\r\n', {instants}, json, E'\r\n'
    ) as frame,
    e,
    c,
    {shard} as shard,
    bad,
    key
from (select e, c, {key} as key, {json} as json, case {bad} end as bad from {batches})"""


class Frames(NamedTuple):
    """Rows of one shard, each two RESP bulk strings (entity key, value), without copying.

    `later`: their events are later than any that was synced.
    """

    shard: int
    data: memoryview
    offsets: memoryview
    later: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def parts(self, rows: int) -> Iterator[tuple[int, memoryview]]:
        """So many rows at a time: how many they are, and their bulk strings."""
        for start in range(0, len(self), rows):
            stop = min(start + rows, len(self))
            yield stop - start, self.data[self.offsets[start] : self.offsets[stop]]


class Renderer:
    """Of one view; close it, before the engine. `max_event`, `max_created`: of rows rendered so far."""

    def __init__(self, view: FeatureView, engine: Engine) -> None:
        self._view = view
        self._connection = engine.cursor()
        self.max_event = self.max_created = 0

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def stream(self, batches: RecordBatchReader) -> Iterator[Frames]:
        """Frames while the batches come; FsyncError at the end of them when a row cannot be served."""
        with self._reading(batches):
            yield from self._frames(f"({self._rendered()})")

    def keep(self, batches: RecordBatchReader) -> int:
        """Read rows and keep the newest of each key; how many keys there are.

        Raises FsyncError when one of those cannot be served, or two different ones tie.
        """
        with self._reading(batches):
            self._keep(self._rendered())
            counted = self._row("select count(*), count(distinct key), count(bad) from kept")
            rows, keys, bad = counted or (0, 0, 0)
            if rows > keys:
                self._keep("from kept qualify rank() over (partition by key order by e desc, c desc) = 1")
            if bad:
                self._refuse_unservable()
            if rows > keys:
                self._refuse_conflicts()
                self._keep("select distinct on (key) * from kept")
            return int(keys)

    def _keep(self, sql: str) -> None:
        self._connection.execute(f"create or replace temp table kept as {sql}")

    def _refuse_unservable(self) -> None:
        bad = self._row(
            "select bad, count(*), min(key) from kept where bad is not null group by bad order by bad"
        )
        if bad:
            raise self._unservable(*bad)

    def _refuse_conflicts(self) -> None:
        conflict = self._row(
            "select key, count(distinct frame), count(*) over () from kept "
            "group by key having count(distinct frame) > 1 order by key limit 1"
        )
        if conflict:
            raise FsyncError(
                f"{self._view.reference}: key {conflict[0]!r} has {conflict[1]} different rows with the "
                f"same event and created timestamp ({conflict[2]} such keys): none is the newest; "
                "break the tie in the model"
            )

    def kept(self, synced: int | None = None) -> Iterator[Frames]:
        """Frames of the rows that were kept, a key once. `synced`: the latest event synced, µs, or None."""
        with self._failures():
            if synced is None:
                yield from self._frames("kept")
            else:
                yield from self._frames(f"kept where e <= {synced}")
                yield from self._frames(f"kept where e > {synced}", later=True)

    def fields(self, batches: RecordBatchReader) -> Iterator[list[str]]:
        """Entity keys of batches that have the columns of the keys alone."""
        with self._reading(batches):
            for batch in arrow_reader(self._connection, f"select {self._key()} from batches", ROWS_PER_BATCH):
                yield batch.column(0).to_pylist()

    def _frames(self, rendered: str, *, later: bool = False) -> Iterator[Frames]:
        example = "case when bad is not null then key end"
        sql = f"select frame, e, c, shard, bad, {example} from {rendered}"
        bad: dict[int, tuple[int, str]] = {}
        for batch in arrow_reader(self._connection, sql, ROWS_PER_BATCH):
            frames, events, creations, shards, positions, keys = batch.columns
            if positions.null_count < len(positions):
                _count_bad(bad, positions, keys)
            if bad or not len(frames):
                continue
            self.max_event = max(self.max_event, pyarrow.compute.max(events).as_py())
            self.max_created = max(self.max_created, pyarrow.compute.max(creations).as_py())
            for shard in range(self._view.shards):
                own = frames.filter(pyarrow.compute.equal(shards, shard)) if self._view.shards > 1 else frames
                if len(own):
                    _, offsets, data = own.buffers()
                    bounds = memoryview(offsets).cast("i")[own.offset : own.offset + len(own) + 1]
                    yield Frames(shard, memoryview(data), bounds, later)
        if bad:
            position = min(bad)
            raise self._unservable(position, *bad[position])

    def _rendered(self) -> str:
        view = self._view
        types = {name: kind for name, kind, *_ in self._rows("describe select * from batches")}
        features = [f"f{i}" for i in range(len(view.features))]
        untyped = [
            f"cast(null as {_NEUTRAL.get(feature.type, 'varchar')}) as {name}"
            for feature, name in zip(view.features, features, strict=True)
            if types[name] == '"NULL"'
        ]
        checked = [(f"k{i}", key.type) for i, key in enumerate(view.join_keys)]
        checked += [(name, view.features[i].type) for i, name in enumerate(features)]
        bad = [
            f"when not isfinite({name}) then {position}"
            for position, (name, scalar) in enumerate(checked)
            if scalar in ("float", "timestamp", "date")
        ]
        bad.append(f"when e < 0 or e >= {END} or c < 0 or c >= {END} then {_TIME}")
        return _RENDERED.format(
            prefix=layout.PREFIX,
            instants=layout.prefix_sql("e", "c"),
            shard=layout.shard_sql("key", view.shards),
            key=self._key(),
            json=layout.json_sql(view.features, [(name, types[name]) for name in features]),
            bad=" ".join(bad),
            batches=f"(select * replace ({', '.join(untyped)}) from batches)" if untyped else "batches",
        )

    def _key(self) -> str:
        keys = self._view.join_keys
        return entity_key_sql([key.type for key in keys], [f"k{i}" for i in range(len(keys))])

    def _unservable(self, position: int, count: int, example: str) -> FsyncError:
        view, rows = self._view, counted(count, "row")
        if position == _TIME:
            return FsyncError(
                f"{view.reference}: the event or created timestamp of {rows} lies outside "
                f"1970 to 2286 (for example key {example!r})"
            )
        names = [key.name for key in view.join_keys] + [feature.name for feature in view.features]
        return FsyncError(
            f"{view.reference}: {names[position]} is NaN or infinite in {rows} "
            f"(for example key {example!r}), which JSON cannot carry; make it NULL in the model"
        )

    @contextmanager
    def _reading(self, batches: RecordBatchReader) -> Iterator[None]:
        with self._failures():
            self._connection.register("batches", batches)
            try:
                yield
            finally:
                self._connection.unregister("batches")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            message = str(error).partition("\n")[0]
            raise FsyncError(f"{self._view.reference}: {message}") from None

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def _row(self, sql: str) -> tuple[Any, ...] | None:
        return next(iter(self._rows(sql)), None)


def _count_bad(bad: dict[int, tuple[int, str]], positions: Any, keys: Any) -> None:
    for position, key in zip(positions.to_pylist(), keys.to_pylist(), strict=True):
        if position is not None:
            count, example = bad.get(position, (0, key))
            bad[position] = count + 1, min(example, key)
