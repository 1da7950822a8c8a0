"""The newest rows of a view over the last events of a log, in a DuckDB in memory."""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import duckdb
import pyarrow
from msgspec.structs import replace

from sync.engine import quoted, text_literal
from sync.errors import FsyncError
from sync.registry.views import FeatureView
from sync.stream.log import Batch
from sync.warehouse.duckdb import DuckDBWarehouse
from sync.warehouse.latest import Latest

EVENTS, SOURCE = "memory.main.fsync_events", "memory.main.fsync_source"
BUILT, NEWEST, PUSHED = "memory.main.fsync_built", "memory.main.fsync_newest", "memory.main.fsync_pushed"
ARRIVED = "_fsync_arrived"


class Added(NamedTuple):
    """`refused` messages are no rows of the source; `fault` says what is wrong with one of them."""

    events: int
    refused: int
    fault: str | None


class LiveView:
    """`columns`: of the source, with their types. The view's models read it as SOURCE."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, view: FeatureView, columns: Mapping[str, str]
    ) -> None:
        self._connection, self._view, self._columns = connection, view, columns
        self._warehouse = DuckDBWarehouse(connection)
        self._row = ", ".join(f"{quoted(name)} {data_type}" for name, data_type in columns.items())
        connection.execute(f"create table {EVENTS} ({self._row}, {ARRIVED} bigint)")
        connection.execute(f"create view {SOURCE} as select * exclude ({ARRIVED}) from {EVENTS}")
        self._has_pushed = False

    def add(self, batch: Batch) -> Added:
        """Messages are JSON objects of the source's columns; other members of theirs are left out."""
        given = {"value": pyarrow.array(batch.values, pyarrow.binary()), "arrived": batch.arrived}
        self._connection.register("given", pyarrow.table(given))
        self._connection.execute(self._read)
        self._connection.execute(
            f"insert into {EVENTS} select unnest(event), arrived from read where fault is null"
        )
        refused, fault = self._warehouse.row("select count(fault), min(fault) from read")
        return Added(len(batch.values) - refused, refused, fault)

    @cached_property
    def _read(self) -> str:
        """Of messages, each with what is wrong with it."""
        faults = "\n".join(
            f"when {self._unsuited(number, name)} then {text_literal(f'its {name} does not suit the source')}"
            for number, name in enumerate(self._columns, 1)
        )
        paths = ", ".join(map(_path, self._columns))
        return f"""create or replace temp table read as
            with texts as (select try_cast(try(decode(value)) as json) as text, arrived from given),
            events as (
                select *, try_cast(text as struct({self._row})) as event, json_type(text, [{paths}]) as kinds
                from texts
            )
            select
                arrived,
                event,
                case
                    when text is null then 'it is no JSON'
                    when json_type(text) <> 'OBJECT' then 'it is no JSON object'
                    {faults}
                end as fault
            from events"""

    def _unsuited(self, number: int, name: str) -> str:
        """A cast makes a struct without values of what is none."""
        data_type, found = self._columns[name], f"kinds[{number}]"
        if data_type.endswith("]"):
            return f"{found} not in ('ARRAY', 'NULL')"
        if data_type.startswith(("STRUCT", "MAP")):
            return f"{found} not in ('OBJECT', 'NULL')"
        return f"event.{quoted(name)} is null and {found} <> 'NULL'"

    def forget(self, before: int) -> int:
        """Events that arrived before an instant, µs, once they are a tenth; how many are left."""
        held, old = self._warehouse.row(f"select count(*), count_if({ARRIVED} < {before}) from {EVENTS}")
        if old * 10 <= held:
            return int(held)
        # DuckDB would keep the memory of deleted rows.
        self._connection.execute(
            f"create or replace table {EVENTS} as select * from {EVENTS} where {ARRIVED} >= {before}"
        )
        return int(held - old)

    def changed(self, as_of: int) -> pyarrow.Table:
        """The newest row of each entity, known and within its ttl, that was not pushed yet as it is."""
        try:
            self._connection.execute(
                f"create or replace table {BUILT} as select * from {self._view.relation}"
            )
        except duckdb.Error as error:
            raise FsyncError(
                f"{self._view.reference} cannot be built: {str(error).partition(chr(10))[0]}"
            ) from None
        newest = Latest(replace(self._view, relation=BUILT), self._warehouse, as_of).rows()
        self._connection.execute(f"create or replace table {NEWEST} as {newest}")
        less = f" except select * from {PUSHED}" if self._has_pushed else ""
        return self._connection.sql(
            f"select {self._named()} from (select * from {NEWEST}{less})"
        ).to_arrow_table()

    def pushed(self) -> None:
        """What changed came to be in Redis."""
        self._connection.execute(f"create or replace table {PUSHED} as select * from {NEWEST}")
        self._has_pushed = True

    def _named(self) -> str:
        """The columns of `Latest`, as the view calls them."""
        view = self._view
        names = [f"k{n} as {quoted(key.name)}" for n, key in enumerate(view.join_keys)]
        names += [f"f{n} as {quoted(feature.name)}" for n, feature in enumerate(view.features)]
        names.append(f"make_timestamp(e) as {quoted(view.event_timestamp)}")
        if view.created_timestamp:
            names.append(f"make_timestamp(c) as {quoted(view.created_timestamp)}")
        return ", ".join(names)


def _path(name: str) -> str:
    return text_literal('$."' + name.replace('"', '\\"') + '"')
