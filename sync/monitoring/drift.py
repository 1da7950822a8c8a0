"""Whether the entities served now are like those served before, or like the rows a model was trained on."""

from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from sync.engine import Engine, quoted, text_literal
from sync.errors import FsyncError
from sync.instants import DAY, parse_instant, to_text
from sync.offline.training_set import TrainingSet, read_training_set
from sync.registry.durations import parse_duration
from sync.registry.registry import Registry
from sync.registry.types import NUMERIC, TIMES, ScalarType, scalar_type
from sync.registry.views import Feature, FeatureView
from sync.warehouse.distribution import Distributions, Shift
from sync.warehouse.duckdb import DuckDBWarehouse
from sync.warehouse.latest import Counts, Latest
from sync.warehouse.warehouse import Warehouse


class FeatureDrift(NamedTuple):
    feature: Feature
    shift: Shift

    @property
    def drifted(self) -> bool:
        limit = self.feature.drift
        return limit is not None and self.shift.psi > max(limit, self.shift.noise)


class ViewDrift(NamedTuple):
    """`before`, `after`: an instant, or a training set's name. `rows`: entities served then, or its rows.

    `redefined`: whether a training set was made of another definition of the view; None of an instant.
    Without rows on both sides no features are compared.
    """

    view: str
    before: str
    after: str
    rows: tuple[int, int]
    features: list[FeatureDrift]
    redefined: bool | None = None

    @property
    def drifted(self) -> bool:
        return any(one.drifted for one in self.features)


def open_baseline(baseline: "str | Path | datetime", as_of: int) -> int | TrainingSet:
    """An instant (also by its distance from `as_of`), or a Parquet file. Raises FsyncError."""
    if isinstance(baseline, Path) or (isinstance(baseline, str) and baseline.lower().endswith(".parquet")):
        return read_training_set(Path(baseline).expanduser())
    instant = None
    with suppress(FsyncError):
        instant = as_of - parse_duration(baseline, where="baseline")
    with suppress(FsyncError):
        instant = parse_instant(baseline, where="baseline") if instant is None else instant
    if instant is None:
        raise FsyncError(
            f"baseline is {baseline!r}; write a duration such as 7d, a timestamp such as "
            "2024-03-08T12:00:00Z, or the .parquet file of a training set"
        )
    if not 0 <= instant < as_of:
        raise FsyncError(f"baseline is {baseline}; it must lie after 1970 and before {to_text(as_of)}")
    return instant


def views_of(registry: Registry, select: tuple[str, ...], baseline: int | TrainingSet) -> list[FeatureView]:
    """Those selected, of a training set those that it has features of. Raises FsyncError."""
    views = registry.select(select)
    if isinstance(baseline, int):
        return views
    for reference in baseline.fingerprints:
        if reference not in registry.views:
            raise FsyncError(
                f"{baseline.path} holds features of {reference}, which is no feature view any more"
            )
    found = [view for view in views if view.reference in baseline.fingerprints]
    if not found:
        raise FsyncError(
            f"{baseline.path} holds no feature of {', '.join(select)}; "
            f"it holds those of {', '.join(baseline.fingerprints)}"
        )
    return found


def view_drift(
    view: FeatureView, warehouse: Warehouse, engine: Engine, baseline: int | TrainingSet, as_of: int
) -> ViewDrift:
    """Raises FsyncError where the view is not as its contract says, or not as it was trained on."""
    with closing(engine.cursor()) as cursor:
        if isinstance(baseline, int):
            populations = _Populations(cursor, view.features)
            populations.serve("before", view, warehouse, baseline)
            before, redefined = to_text(baseline), None
        else:
            populations = _Populations(cursor, baseline.features(view))
            populations.read("before", view, baseline)
            before, redefined = baseline.path.name, baseline.fingerprints[view.reference] != view.fingerprint
        populations.serve("after", view, warehouse, as_of)
        rows = populations.rows()
        drifts = populations.drifts() if all(rows) else []
    return ViewDrift(view.reference, before, to_text(as_of), rows, drifts, redefined)


class _Populations:
    """Two tables in this process, a column for each feature."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, features: Sequence[Feature]) -> None:
        self._cursor, self._features = cursor, features
        self._tables = DuckDBWarehouse(cursor)

    def serve(self, table: str, view: FeatureView, warehouse: Warehouse, as_of: int) -> None:
        """What `fsync online` would serve."""
        latest = Latest(view, warehouse, as_of)
        positions = {feature.name: number for number, feature in enumerate(view.features)}
        columns = [f"f{positions[feature.name]}" for feature in self._features]
        into = f"create temp table {table} as"
        for sql in latest.queries(Counts(*warehouse.row(latest.counts()))):
            with warehouse.arrow(sql) as batches:
                self._cursor.register("batches", batches)
                self._cursor.execute(f"{into} select {self._values(columns, str(as_of))} from batches")
            into = f"insert into {table}"

    def read(self, table: str, view: FeatureView, training: TrainingSet) -> None:
        rows = f"read_parquet({text_literal(str(training.path))})"
        names = [training.columns[f"{view.reference}:{one.name}"] for one in self._features]
        types = dict(self._tables.schema(f"select * from {rows}"))
        has_times = any(feature.type in TIMES for feature in self._features)
        for name in [*names, *([training.timestamp] if has_times else [])]:
            if name not in types:
                raise FsyncError(
                    f"{training.path} has no column {name} any more, which {view.reference} is compared by"
                )
        for name, feature in zip(names, self._features, strict=True):
            found = scalar_type(types[name])
            if found != feature.type and not {found, feature.type} <= NUMERIC:
                raise FsyncError(
                    f"{training.path} holds {view.reference}:{feature.name} as {types[name].lower()}, "
                    f"the view as {feature.type}; make the training set anew"
                )
        columns = [quoted(name) for name in names]
        at = f"epoch_us(cast({quoted(training.timestamp)} as timestamp))"
        self._cursor.execute(f"create temp table {table} as select {self._values(columns, at)} from {rows}")

    def rows(self) -> tuple[int, int]:
        before, after = (
            self._tables.row(f"select count(*) from {table}")[0] for table in ("before", "after")
        )
        return before, after

    def drifts(self) -> list[FeatureDrift]:
        distributions = Distributions(self._tables, "duckdb", "before", "after")
        return [
            FeatureDrift(one, distributions.shift(f"v{number}", _compared_as(one)))
            for number, one in enumerate(self._features)
        ]

    def _values(self, columns: Sequence[str], instant: str) -> str:
        """Times move on with the clock: what is compared is their age in days."""
        values = []
        for number, (column, feature) in enumerate(zip(columns, self._features, strict=True)):
            age = f"({instant} - epoch_us(cast({column} as timestamp))) / {DAY}"
            values.append(f"{age if feature.type in TIMES else column} as v{number}")
        return ", ".join(values)


def _compared_as(feature: Feature) -> ScalarType:
    return "float" if feature.type in TIMES else feature.type
