"""The newest row of each key of a feature view, in SQL that every warehouse of ours runs.

The columns of a result are k0… (join keys), e and c (event and created timestamps, integer µs; a missing
created timestamp is the event's) and f0… (features), so that no name of a user's column can clash. A key
comes out once, unless rows of it tie in both timestamps: those all come out, for the writer to judge.
"""

from typing import NamedTuple

from sync.errors import FsyncError, did_you_mean
from sync.instants import DAY
from sync.registry.types import scalar_type
from sync.registry.views import FeatureView
from sync.warehouse.warehouse import Warehouse

# Of so many rows an entity, by a count that may be wrong by a tenth, some are surely second ones.
HISTORY = 1.5


class Counts(NamedTuple):
    """Of a whole table; `incomplete` rows lack a join key or an event timestamp and are left out.

    `known` rows count at the instant asked for, of about so many `entities`; `created` ones were created by
    then, the newest at `watermark` µs; `checksum` is of their created timestamps.
    """

    rows: int
    incomplete: int
    known: int
    entities: int
    created: int
    watermark: int
    checksum: int


class Changes(NamedTuple):
    """Since a watermark. `behind`: rows created up to it; the others as in Counts, of rows created later."""

    behind: int
    checksum_behind: int
    incomplete: int
    created: int
    watermark: int
    checksum: int


class Latest:
    """Queries for one view. Raises FsyncError when its table is not what the contract says."""

    def __init__(self, view: FeatureView, warehouse: Warehouse, as_of: int) -> None:
        self._view, self._warehouse, self._as_of = view, warehouse, as_of
        types = view_columns(view, warehouse)
        self._keys = [f"t.{warehouse.quote(key.name)}" for key in view.join_keys]
        self._event = f"t.{warehouse.quote(view.event_timestamp)}"
        self._event_kind = warehouse.time_kind(types[view.event_timestamp])
        self._created, self._created_kind = self._event, self._event_kind
        if view.created_timestamp:
            self._created = f"t.{warehouse.quote(view.created_timestamp)}"
            self._created_kind = warehouse.time_kind(types[view.created_timestamp])
        self._complete = " and ".join(f"{column} is not null" for column in [*self._keys, self._event])
        self._known = f"({self._happened(as_of)} and {self._created_by(as_of)})"
        self._served = f"{self._complete} and {self._known} and {self._alive()}"
        self._event_us = warehouse.micros(self._event, self._event_kind)
        self._created_us = self._event_us
        if view.created_timestamp:
            own = warehouse.micros(self._created, self._created_kind)
            self._created_us = f"coalesce({own}, {self._event_us})"

    def rows(self, part: str = "true") -> str:
        """Of all entities, or of a part."""
        return self._newest(f"{self._served} and {part}")

    def queries(self, counts: Counts) -> list[str]:
        """That give the rows of all entities, each in bounded memory."""
        if self._is_one_row_each(counts):
            return [self._select(self._served)]
        return [self.rows(part) for part in self._warehouse.parts(self._keys, counts.entities)]

    def _is_one_row_each(self, counts: Counts) -> bool:
        """Whether no entity has a second row, so that none need be compared; asked only if it may be so."""
        key_hash = self._warehouse.key_hash(self._keys)
        if key_hash is None or counts.known > HISTORY * counts.entities:
            return False
        repeated = f"select 1 from {self._view.relation} as t where {self._served} group by {key_hash}"
        sql = f"select count(*) from ({repeated} having count(*) > 1) as repeated"
        return bool(self._warehouse.row(sql)[0] == 0)

    def counts(self) -> str:
        return f"""
select
    count(*),
    {_count(f"not ({self._complete})")},
    {_count(self._known)},
    {self._about_entities()},
    {_count(self._created_by(self._as_of))},
    {_newest_of(self._created_us, self._created_by(self._as_of))},
    {_checksum(self._created_us, self._created_by(self._as_of))}
from {self._view.relation} as t"""

    def changed_rows(self, watermark: int, as_of: int) -> str:
        """Rows that came to be known after the watermark, or took effect after the former `as_of`.

        They are few, and hardly ever several of one key: sorting them here would cost more than sending all.
        """
        return "\nunion all\n".join(
            self._select(f"{self._served} and {condition}")
            for condition in self._each(self._changed(watermark, as_of))
        )

    def changes(self, watermark: int) -> str:
        undated = f"({self._created} is null and {self._event} is null)"
        later = self._each([*self._creations_after(watermark), undated])
        known = f"{self._created_by(self._as_of)} as known"
        columns = f"({self._complete}) as complete, {known}, {self._created_us} as c"
        new = "\n    union all\n    ".join(
            f"select {columns} from {self._view.relation} as t where {condition}" for condition in later
        )
        return f"""
select behind.n, behind.checksum, new.*
from (
    select count(*) as n, {_checksum(self._created_us, "true")} as checksum
    from {self._view.relation} as t
    where {self._created_by(watermark)}
) as behind
cross join (
    select
        {_count("not complete")} as incomplete,
        {_count("known")} as known,
        {_newest_of("c", "known")} as c,
        {_checksum("c", "known")} as checksum
    from (
    {new}
    ) as later
) as new"""

    def expired_keys(self, watermark: int, as_of: int) -> str | None:
        """Keys of rows whose ttl ended since `as_of`, or had ended when they came to be known."""
        if self._view.ttl is None:
            return None
        ended = f"not ({self._alive()})"
        since = " or ".join([self._alive(as_of), *self._changed(watermark, as_of)])
        keys = ", ".join(f"{key} as k{i}" for i, key in enumerate(self._keys))
        return f"""
select distinct {keys}
from {self._view.relation} as t
where {self._complete} and {self._known} and {ended} and ({since})"""

    def entities(self) -> str:
        """How many have a row that was created by now, and how many of them are served."""
        keys = ", ".join(self._keys)
        return f"""
select count(*), coalesce(sum(served), 0)
from (
    select {keys}, max(case when {self._served} then 1 else 0 end) as served
    from {self._view.relation} as t
    where {self._complete} and {self._created_by(self._as_of)}
    group by {keys}
) as entities"""

    def ties(self) -> str:
        """The newest rows of the keys that have several of them."""
        keys = [f"k{i}" for i in range(len(self._keys))]
        same = " and ".join(f"newest.{key} = tied.{key}" for key in keys)
        return f"""
with newest as ({self.rows()}),
tied as (select {", ".join(keys)} from newest group by {", ".join(keys)} having count(*) > 1)
select newest.*
from newest
inner join tied on {same}"""

    def _about_entities(self) -> str:
        key = " || ',' || ".join(f"cast({key} as string)" for key in self._keys)
        return f"approx_count_distinct(case when {self._known} and {self._alive()} then {key} end)"

    def _newest(self, condition: str) -> str:
        """The table stands in it twice: a CTE of whole rows would be kept in memory, which costs more."""
        keys = [f"k{i}" for i in range(len(self._keys))]
        names = [*keys, "e", "c", *(f"f{i}" for i in range(len(self._view.features)))]
        keyed = ", ".join(f"{column} as {key}" for column, key in zip(self._keys, keys, strict=True))
        same = " and ".join(f"alive.{key} = newest.{key}" for key in keys)
        return f"""
select {", ".join(f"alive.{name}" for name in names)}
from (
    {self._select(condition, f"{self._order()} as o")}
) as alive
inner join (
    select {", ".join(keys)}, max(o) as o
    from (
        select {keyed}, {self._order()} as o from {self._view.relation} as t where {condition}
    ) as ordered
    group by {", ".join(keys)}
) as newest on {same} and alive.o = newest.o"""

    def _select(self, condition: str, *more: str) -> str:
        quote = self._warehouse.quote
        values = [f"{column} as k{i}" for i, column in enumerate(self._keys)]
        values += [f"{self._event_us} as e", f"{self._created_us} as c"]
        values += [f"t.{quote(feature.name)} as f{i}" for i, feature in enumerate(self._view.features)]
        return f"select {', '.join([*values, *more])} from {self._view.relation} as t where {condition}"

    def _order(self) -> str:
        return self._warehouse.order(self._event_us, self._created_us)

    def _happened(self, instant: int) -> str:
        return f"{self._event} <= {self._warehouse.literal(instant, self._event_kind)}"

    def _created_by(self, instant: int) -> str:
        if not self._view.created_timestamp:
            return self._happened(instant)
        literal = self._warehouse.literal(instant, self._created_kind)
        return f"({self._created} <= {literal} or ({self._created} is null and {self._happened(instant)}))"

    def _creations_after(self, instant: int) -> list[str]:
        event = f"not {self._happened(instant)}"
        if not self._view.created_timestamp:
            return [event]
        literal = self._warehouse.literal(instant, self._created_kind)
        return [f"{self._created} > {literal}", f"({self._created} is null and {event})"]

    def _changed(self, watermark: int, as_of: int) -> list[str]:
        """Conditions of which one holds."""
        took_effect = f"{self._created_by(watermark)} and not {self._happened(as_of)}"
        return [*self._creations_after(watermark), f"({took_effect})"]

    def _each(self, conditions: list[str]) -> list[str]:
        """To scan for, of conditions of which one holds: a warehouse may skip what a simple one rules out."""
        return conditions if self._warehouse.skips else [f"({' or '.join(conditions)})"]

    def _alive(self, as_of: int | None = None) -> str:
        if self._view.ttl is None:
            return "true"
        bound = max((self._as_of if as_of is None else as_of) - self._view.ttl, 0)
        if self._event_kind == "date":
            # A date counts from the end of its day: the first day that ends at or after the bound.
            bound = -(-bound // DAY) * DAY
        return f"{self._event} >= {self._warehouse.literal(bound, self._event_kind)}"


def _count(condition: str) -> str:
    return f"coalesce(sum(case when {condition} then 1 else 0 end), 0)"


def _newest_of(micros: str, condition: str) -> str:
    return f"coalesce(max(case when {condition} then {micros} end), 0)"


def _checksum(micros: str, condition: str) -> str:
    """A sum that fits 64 bits for 2 billion rows: of remainders by the greatest prime below 2 to the 32nd."""
    remainder = f"case when {condition} then mod({micros}, 4294967291) else 0 end"
    return f"cast(coalesce(sum({remainder}), 0) as bigint)"


def view_columns(view: FeatureView, warehouse: Warehouse) -> dict[str, str]:
    """The view's columns and their types in the warehouse, which must be as the contract says."""
    hint = f"run `dbt build --select {view.name if view.version is None else view.model.split('.', 2)[2]}`"
    try:
        columns = warehouse.columns(view.relation)
    except LookupError:
        raise FsyncError(f"{view.relation} is not in the warehouse; {hint}") from None
    wanted: list[str] = [key.name for key in view.join_keys] + [feature.name for feature in view.features]
    wanted += [view.event_timestamp, *([view.created_timestamp] if view.created_timestamp else [])]
    folded = {name.lower() for name in columns}
    for name in wanted:
        if name.lower() not in folded:
            raise FsyncError(f"{view.relation} has no column {name}{did_you_mean(name, columns)}; {hint}")
    by_folded = {name.lower(): data_type for name, data_type in columns.items()}
    declared = {key.name: key.type for key in view.join_keys}
    declared |= {feature.name: feature.type for feature in view.features}
    for name, scalar in declared.items():
        found = by_folded[name.lower()]
        if scalar_type(found) != scalar:
            raise FsyncError(
                f"{view.relation}: column {name} is {found} in the warehouse, "
                f"but {scalar} in the contract; {hint}"
            )
    return {name: by_folded[name.lower()] for name in wanted}
