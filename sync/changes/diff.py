"""Rows and distributions of two builds or versions of a feature view, compared in the warehouse."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sync.errors import FsyncError
from sync.registry.types import NUMERIC
from sync.registry.views import FeatureView
from sync.warehouse.distribution import Distributions, Shift
from sync.warehouse.latest import view_columns
from sync.warehouse.warehouse import Warehouse


class Side(NamedTuple):
    """A view, whose `relation` may be that of another build."""

    title: str
    view: FeatureView


class FeatureDiff(NamedTuple):
    """How many rows that both sides have differ; the shift is of all rows."""

    changed: int
    shift: Shift


class Example(NamedTuple):
    kind: str
    keys: dict[str, Any]
    event_timestamp: Any
    values: dict[str, tuple[Any, Any]]


class Diff(NamedTuple):
    before: str
    after: str
    identical: int
    modified: int
    added: int
    removed: int
    features: dict[str, FeatureDiff]
    features_added: list[str]
    features_removed: list[str]
    examples: list[Example]

    @property
    def differs(self) -> bool:
        rows = self.modified + self.added + self.removed
        return bool(rows or self.features_added or self.features_removed)


def diff_views(
    warehouse: Warehouse,
    adapter: str,
    before: Side,
    after: Side,
    *,
    tolerance: float = 0.0,
    examples: int = 5,
) -> Diff:
    """Rows are matched by join keys, event and created timestamp.

    `tolerance`: the largest absolute difference of two numbers that counts as none. `examples`: of each kind.
    Raises FsyncError where the two cannot be compared.
    """
    return _Comparison(warehouse, adapter, before, after, tolerance).run(examples)


class _Comparison:
    def __init__(
        self, warehouse: Warehouse, adapter: str, before: Side, after: Side, tolerance: float
    ) -> None:
        self._warehouse, self._tolerance = warehouse, tolerance
        self._sides = (before, after)
        self._distributions = Distributions(warehouse, adapter, before.view.relation, after.view.relation)
        keys = [[(key.name, key.type) for key in side.view.join_keys] for side in self._sides]
        if keys[0] != keys[1]:
            told = " and ".join(", ".join(f"{name} {kind}" for name, kind in side) for side in keys)
            raise FsyncError(f"{before.title} and {after.title} have different join keys: {told}")
        for side in self._sides:
            view_columns(side.view, warehouse)
        self._keys = [warehouse.quote(name) for name, _ in keys[0]]
        self._ids = [*(f"k{n}" for n in range(len(self._keys))), "e", "c"]
        names = [{feature.name: feature for feature in side.view.features} for side in self._sides]
        self._features = {name: names[1][name] for name in names[0] if name in names[1]}
        self._gone = [name for name in names[0] if name not in names[1]]
        self._new = [name for name in names[1] if name not in names[0]]

    def run(self, examples: int) -> Diff:
        for side in self._sides:
            self._refuse_duplicates(side)
        changed = {name: f"({self._differs(name, n)})" for n, name in enumerate(self._features)}
        any_changed = " or ".join(changed.values()) or "false"
        both = "a_found is not null and b_found is not null"
        counts = ", ".join(f"sum(case when {both} and {test} then 1 else 0 end)" for test in changed.values())
        found = self._warehouse.row(f"""
{self._joined()}
select
    coalesce(sum(case when {both} and not ({any_changed}) then 1 else 0 end), 0),
    coalesce(sum(case when {both} and ({any_changed}) then 1 else 0 end), 0),
    coalesce(sum(case when a_found is null then 1 else 0 end), 0),
    coalesce(sum(case when b_found is null then 1 else 0 end), 0){", " + counts if counts else ""}
from joined""")
        features = {
            name: FeatureDiff(int(count or 0), self._distributions.shift(name, self._features[name].type))
            for name, count in zip(self._features, found[4:], strict=True)
        }
        return Diff(
            self._sides[0].title,
            self._sides[1].title,
            identical=int(found[0]),
            modified=int(found[1]),
            added=int(found[2]),
            removed=int(found[3]),
            features=features,
            features_added=self._new,
            features_removed=self._gone,
            examples=list(self._examples(any_changed, examples)) if examples else [],
        )

    def _rows(self, side: Side) -> str:
        quote = self._warehouse.quote
        event = quote(side.view.event_timestamp)
        created = quote(side.view.created_timestamp) if side.view.created_timestamp else event
        keys = "".join(f"{key} as k{n}, " for n, key in enumerate(self._keys))
        values = "".join(f", {quote(name)} as f{n}" for n, name in enumerate(self._features))
        return (
            f"select {keys}{event} as e, coalesce({created}, {event}) as c, 1 as found{values}"
            f" from {side.view.relation}"
        )

    def _joined(self) -> str:
        columns = ", ".join(
            [f"coalesce(a.{name}, b.{name}) as {name}" for name in self._ids]
            + ["a.found as a_found", "b.found as b_found"]
            + [f"a.f{n} as a{n}, b.f{n} as b{n}" for n in range(len(self._features))]
        )
        return f"""with a as ({self._rows(self._sides[0])}),
b as ({self._rows(self._sides[1])}),
joined as (
    select {columns}
    from a full outer join b on {" and ".join(f"a.{name} = b.{name}" for name in self._ids)}
)"""

    def _differs(self, name: str, number: int) -> str:
        before, after = f"a{number}", f"b{number}"
        if self._tolerance and self._features[name].type in NUMERIC:
            one_null = f"({before} is null) <> ({after} is null)"
            return f"{one_null} or coalesce(abs({before} - {after}) > {self._tolerance!r}, false)"
        return f"{before} is distinct from {after}"

    def _refuse_duplicates(self, side: Side) -> None:
        ids = ", ".join(self._ids)
        known = " and ".join(f"k{n} is not null" for n in range(len(self._keys)))
        (count,) = self._warehouse.row(f"""
with a as ({self._rows(side)})
select count(*) from (select {ids} from a where {known} group by {ids} having count(*) > 1) as twice""")
        if count:
            raise FsyncError(
                f"{side.title} has {count:,} times several rows of one entity and instant; a diff needs "
                "keys, event and created timestamp to be unique (the test `unique_rows` finds those rows)"
            )

    def _examples(self, any_changed: str, count: int) -> Iterator[Example]:
        kinds = (
            "case when a_found is null then 'added' when b_found is null then 'removed' "
            f"when {any_changed} then 'modified' end"
        )
        ids = ", ".join(self._ids)
        with self._warehouse.arrow(f"""
{self._joined()},
told as (select *, {kinds} as kind from joined),
numbered as (
    select *, row_number() over (partition by kind order by {ids}) as example
    from told
    where kind is not null
)
select * from numbered where example <= {count} order by kind, {ids}""") as reader:
            for batch in reader:
                for row in batch.to_pylist():
                    values = {
                        name: (row[f"a{n}"], row[f"b{n}"])
                        for n, name in enumerate(self._features)
                        if row["kind"] == "modified" and row[f"a{n}"] != row[f"b{n}"]
                    }
                    keys = {key.name: row[f"k{n}"] for n, key in enumerate(self._sides[0].view.join_keys)}
                    yield Example(row["kind"], keys, row["e"], values)
