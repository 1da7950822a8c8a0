"""The rows of a feature view that may be its newest, in SQL that DuckDB and BigQuery both run.

The columns of the result are k0… (join keys), e (event), c (created, absent when the view has none) and f0…
(features), so that no name of a user's column can clash. Rows that share a key's greatest event timestamp all
come out; the renderer picks the greatest created timestamp among them, which keeps a sort of the whole
history (a window function) out of the warehouse.
"""

from typing import NamedTuple

from sync.errors import FsyncError, did_you_mean
from sync.instants import DAY
from sync.registry.types import scalar_type
from sync.registry.views import FeatureView
from sync.warehouse.warehouse import TimeKind, Warehouse


class Counts(NamedTuple):
    """Of the whole table; `incomplete` rows lack a join key or an event timestamp and are left out."""

    rows: int
    incomplete: int
    known: int


class LatestQuery(NamedTuple):
    rows: str
    counts: str


def latest_query(view: FeatureView, warehouse: Warehouse, as_of: int) -> LatestQuery:
    columns = view_columns(view, warehouse)

    def quoted(name: str) -> str:
        return f"t.{warehouse.quote(name)}"

    keys = [quoted(key.name) for key in view.join_keys]
    event, created = quoted(view.event_timestamp), view.created_timestamp and quoted(view.created_timestamp)
    event_kind = warehouse.time_kind(columns[view.event_timestamp])
    complete = " and ".join(f"{column} is not null" for column in [*keys, event])
    known = f"{event} <= {warehouse.literal(as_of, event_kind)}"
    if created and view.created_timestamp:
        created_kind = warehouse.time_kind(columns[view.created_timestamp])
        known += f" and ({created} is null or {created} <= {warehouse.literal(as_of, created_kind)})"
    alive = known
    if view.ttl is not None:
        alive += f" and {event} >= {_lower_bound(warehouse, as_of - view.ttl, event_kind)}"

    key_list = ", ".join(f"{key} as k{i}" for i, key in enumerate(keys))
    values = [f"{event} as e", *([f"{created} as c"] if created else [])]
    values += [f"{quoted(feature.name)} as f{i}" for i, feature in enumerate(view.features)]
    names = [*(f"k{i}" for i in range(len(keys))), "e", *(["c"] if created else [])]
    names += [f"f{i}" for i in range(len(view.features))]
    same = " and ".join(f"alive.k{i} = newest.k{i}" for i in range(len(keys)))
    rows = f"""
with alive as (
    select {key_list}, {", ".join(values)}
    from {view.relation} as t
    where {complete} and {alive}
),
newest as (
    select {", ".join(f"k{i}" for i in range(len(keys)))}, max(e) as e
    from alive
    group by {", ".join(f"k{i}" for i in range(len(keys)))}
)
select {", ".join(f"alive.{name}" for name in names)}
from alive
inner join newest on {same} and alive.e = newest.e"""
    counts = f"""
select
    count(*),
    coalesce(sum(case when {complete} then 0 else 1 end), 0),
    coalesce(sum(case when {known} then 1 else 0 end), 0)
from {view.relation} as t"""
    return LatestQuery(rows, counts)


def _lower_bound(warehouse: Warehouse, instant: int, kind: TimeKind) -> str:
    bound = max(instant, 0)
    # A date counts from the end of its day: the first day that ends at or after the bound.
    return warehouse.literal(-(-bound // DAY) * DAY if kind == "date" else bound, kind)


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
