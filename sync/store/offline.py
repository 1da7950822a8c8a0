"""What needs the project and its warehouse."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from sync.instants import now, parse_instant
from sync.project import Target, read_target
from sync.registry.references import parse_view
from sync.store.opened import OpenedProject

if TYPE_CHECKING:
    from sync.changes.diff import Diff
    from sync.changes.plan import Plan
    from sync.lineage.graph import Lineage
    from sync.lint.finding import Report
    from sync.lint.time_travel import TimeTravel
    from sync.monitoring.drift import ViewDrift
    from sync.offline.historical import HistoricalFeatures


class Offline(OpenedProject):
    def get_historical_features(
        self,
        entity_df: Any,
        features: "str | Sequence[str]",
        *,
        timestamp: str = "event_timestamp",
        as_known_at: "str | datetime | None" = None,
        hindsight: bool = False,
        ages: bool = False,
        full_names: bool = False,
        defaults: bool = True,
    ) -> "HistoricalFeatures":
        """The features of each row of a spine, as they were known at its own instant.

        `entity_df`: a pyarrow, pandas or polars table, a .parquet or .csv file, a SELECT, or a model's name.
        `features`: a feature service, or a list of references. `as_known_at`: rows created after this instant
        are left out. `hindsight`: late rows and corrections count also where they were not yet known.
        """
        from sync.offline.historical import HistoricalFeatures, Options

        known = None if as_known_at is None else parse_instant(as_known_at, where="as_known_at")
        options = Options(timestamp, hindsight, known, ages, full_names, defaults)
        target = self.target
        return HistoricalFeatures(
            self.project, target, self._current_registry(), entity_df, features, options
        )

    def drift(
        self,
        select: Sequence[str] = (),
        *,
        baseline: "str | Path | datetime" = "7d",
        as_of: "str | datetime | None" = None,
    ) -> "list[ViewDrift]":
        """How the features of the entities served at `as_of`, by default now, differ from a baseline's.

        `baseline`: those served so long before (`7d`) or at an instant; or a training set, a Parquet file of
        `fsync historical`, whose features are compared.
        """
        from sync.engine import Engine
        from sync.monitoring.drift import open_baseline, view_drift, views_of
        from sync.warehouse.open import open_warehouse

        # Of now the whole second: it is told, and given again.
        instant = parse_instant(as_of) if as_of is not None else now() // 1_000_000 * 1_000_000
        known = open_baseline(baseline, instant)
        views = views_of(self._current_registry(), tuple(select), known)
        with Engine() as engine, open_warehouse(self.project, self.target, engine) as warehouse:
            return [view_drift(view, warehouse, engine, known, instant) for view in views]

    def plan(self, state: "str | Path | None" = None, *, save: bool = False) -> "Plan":
        """What changes between `state` (default: what was synced or saved last) and the project as it stands.

        `state`: a file that a sync or `save` wrote, or its folder. `save`: the next plan compares with the
        project as it stands now; where there is none yet, everything is new. Takes dbt's start-up.
        """
        from sync.changes.plan import make_plan
        from sync.changes.project_state import state_of
        from sync.changes.state import FILE, read_state, write_state
        from sync.registry.compiled import compile_project

        target = self.target
        last = self.project.target_path / "fsync" / FILE
        first = save and state is None and not last.exists()
        old = None if first else read_state(Path(state).expanduser() if state else last)
        new = state_of(compile_project(self.project, target, self._profile), self.project, target)
        plan = make_plan(old, new)
        if save:
            write_state(new, last)
        return plan

    def diff(
        self,
        before: str,
        after: str | None = None,
        *,
        against: "str | Path | None" = None,
        tolerance: float = 0.0,
        examples: int = 5,
    ) -> "Diff":
        """Two versions of a view, or (`against` a DuckDB file or another target) two builds of one.

        `against` is the build before, the project's target the one after.
        """
        from sync.changes.diff import Side, diff_views
        from sync.warehouse.open import open_warehouse
        from sync.warehouse.other import other_build

        target = self.target
        view = self.registry.view(parse_view(before))
        with open_warehouse(self.project, target) as warehouse:
            if against is not None:
                other = self._other_target(against)
                relation = other_build(warehouse, view.relation, other)
                sides = [Side(f"{view.reference} in {against}", replace(view, relation=relation))]
                sides.append(Side(f"{view.reference} in {target.name}", view))
            else:
                newer = self.registry.view(parse_view(after or before))
                sides = [Side(view.reference, view), Side(newer.reference, newer)]
            return diff_views(
                warehouse, target.settings["type"], *sides, tolerance=tolerance, examples=examples
            )

    def _other_target(self, against: "str | Path") -> Target:
        path = Path(against).expanduser()
        if path.suffix or path.exists():
            return Target(str(path), {"type": "duckdb", "path": str(path.absolute())}, path)
        return read_target(self.project, self._profiles_dir, self._profile, str(against))

    def lint(self, select: Sequence[str] = ()) -> "Report":
        """What may leak the future into features, in the SQL of all models, or of `select` and inputs."""
        from sync.lint.project import lint_project
        from sync.registry.compiled import compile_project

        target = self.target
        return lint_project(self.project, compile_project(self.project, target, self._profile), tuple(select))

    def time_travel(self, view: str, *, instants: int = 3, seed: int = 0) -> "TimeTravel":
        """Whether a view built from what was known at instants of the past says what it says of them now.

        Builds in a scratch DuckDB file; dbt's start-up and as many builds as instants, and one.
        """
        from sync.lint.time_travel import time_travel

        return time_travel(self.project, self.target, view, instants, seed)

    def lineage(self) -> "Lineage":
        """Of every column what it is made of, and who reads it."""
        from sync.lineage.project import project_lineage

        return project_lineage(self.project, self.target, self._current_registry())
