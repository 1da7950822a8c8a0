"""The proof by experiment: what a view says of the past must be what it said in the past."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from sync.engine import quoted
from sync.errors import FsyncError
from sync.lint.known import instant_sql
from sync.lint.rebuild import Plan, Travelled
from sync.project import Project, Target
from sync.registry.views import FeatureView

SHOWN = 10


class Difference(NamedTuple):
    """`feature` is None of a row that stands on one side only."""

    instant: str
    key: dict[str, str]
    event_timestamp: str
    feature: str | None
    then: str | None
    now: str | None


class TimeTravel(NamedTuple):
    """`compared` are the rows per instant; `differences` are the first of `differing`."""

    view: str
    file: str
    compared: dict[str, int]
    differing: int
    differences: tuple[Difference, ...]


def time_travel(project: Project, target: Target, view: str, instants: int, seed: int) -> TimeTravel:
    """Raises FsyncError where a view cannot be built as of the past."""
    if target.settings["type"] != "duckdb":
        raise FsyncError(
            f"time travel builds in a scratch DuckDB file; target {target.name} is of type "
            f"{target.settings['type']}; give --target one of type duckdb"
        )
    with TemporaryDirectory(prefix="fsync-time-travel-") as scratch:
        plan = _plan(project, target, view, Path(scratch), instants, seed)
        return _compare(_rebuild(plan), plan)


def _plan(project: Project, target: Target, view: str, scratch: Path, instants: int, seed: int) -> Plan:
    import yaml

    path = str(target.settings.get("path", ":memory:"))
    if ":" in path:
        raise FsyncError(
            f"{target.source}: time travel needs a DuckDB file; target {target.name} is at {path}"
        )
    warehouse = project.directory / path
    # A number that Jinja made is text to us.
    threads = int(target.settings.get("threads", 1))
    settings = {**target.settings, "threads": threads, "path": str(scratch / f"{warehouse.stem}.duckdb")}
    if settings.get("attach"):
        settings["attach"] = [{**one, "read_only": True} for one in settings["attach"]]
    profile = {"fsync": {"target": target.name, "outputs": {target.name: settings}}}
    (scratch / "profiles.yml").write_text(yaml.safe_dump(profile))
    return Plan(
        project=str(project.directory),
        view=view,
        profile="fsync",
        target=target.name,
        scratch=str(scratch),
        database=warehouse.stem,
        warehouse=str(warehouse) if warehouse.is_file() else None,
        instants=instants,
        seed=seed,
    )


def _rebuild(plan: Plan) -> Travelled:
    run = subprocess.run(
        [sys.executable, "-m", "sync.lint.rebuild", json.dumps(plan._asdict())],
        cwd=plan.project,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if plan.travelled.exists():
        return msgspec.json.decode(plan.travelled.read_bytes(), type=Travelled)
    if plan.failure.exists():
        raise FsyncError(plan.failure.read_text())
    raise plan.failed(run.stderr.strip() or run.stdout.strip())


def _compare(travelled: Travelled, plan: Plan) -> TimeTravel:
    import duckdb

    view = travelled.view
    compared: dict[str, int] = {}
    differences: list[Difference] = []
    differing = 0
    for step, instant in enumerate(travelled.instants):
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            for side in ("full", str(step)):
                alias = "now_side" if side == "full" else "then_side"
                connection.execute(f"attach '{plan.kept(side)}' as {alias} (read_only)")
            sides = _Sides(connection, view, instant)
            compared[instant] = sides.rows
            differing += sides.differing()
            if len(differences) < SHOWN:
                differences += list(sides.differences())[: SHOWN - len(differences)]
    if not any(compared.values()):
        raise FsyncError(f"time travel found no row of {view.reference} to compare; try more --instants")
    return TimeTravel(view.reference, travelled.file, compared, differing, tuple(differences))


class _Sides:
    """The rows that both builds have up to an instant, or should have, side by side."""

    def __init__(self, connection: Any, view: FeatureView, instant: str) -> None:
        self._connection, self._view, self._instant = connection, view, instant
        self._keys = [key.name for key in view.join_keys]
        self._features = [feature.name for feature in view.features]
        # No build knows more than up to its own newest row.
        then = self._side("then_side")
        known = f"select max(_available) from ({then}) where _available <= timestamp '{instant}'"
        horizon = connection.execute(known).fetchone()[0]
        for side in ("then_side", "now_side"):
            until = f"timestamp '{horizon}'" if horizon is not None else "null"
            connection.execute(f"create temp table {side}_rows as {self._numbered(side, until)}")
        self.rows = int(connection.execute("select count(*) from then_side_rows").fetchone()[0])

    def _side(self, side: str) -> str:
        event, created = instant_sql(quoted(self._view.event_timestamp)), self._view.created_timestamp
        known = event if created is None else f"coalesce({instant_sql(quoted(created))}, {event})"
        relation = self._view.relation.partition(".")[2]
        return (
            f"select *, {event} as _event, {known} as _known, greatest({event}, {known}) as _available "
            f"from {side}.{relation}"
        )

    def _numbered(self, side: str, until: str) -> str:
        keys = ", ".join(map(quoted, self._keys))
        features = ", ".join(map(quoted, self._features))
        return (
            "select *, row_number() over "
            f"(partition by {keys}, _event, _known order by {features}) as _number "
            f"from ({self._side(side)}) where _available <= {until}"
        )

    def _joined(self) -> str:
        names = [*map(quoted, self._keys), "_event", "_known", "_number"]
        same = " and ".join(f"a.{name} is not distinct from b.{name}" for name in names)
        unequal = " or ".join(self._unequal(name) for name in self._features)
        return (
            f"from then_side_rows as a full join now_side_rows as b on {same} "
            f"where a._number is null or b._number is null or {unequal}"
        )

    def _unequal(self, feature: str) -> str:
        name = quoted(feature)
        kind = next(one.type for one in self._view.features if one.name == feature)
        if kind == "float":
            # Sums of floats are added in any order.
            return (
                f"(a.{name} is null) <> (b.{name} is null) "
                f"or abs(a.{name} - b.{name}) > 1e-9 * greatest(1, abs(a.{name}), abs(b.{name}))"
            )
        return f"a.{name} is distinct from b.{name}"

    def differing(self) -> int:
        return int(self._connection.execute(f"select count(*) {self._joined()}").fetchone()[0])

    def differences(self) -> Iterator[Difference]:
        keys = ", ".join(f"cast(coalesce(a.{k}, b.{k}) as varchar)" for k in map(quoted, self._keys))
        values = ", ".join(
            f"({self._unequal(name)}), cast(a.{quoted(name)} as varchar), cast(b.{quoted(name)} as varchar)"
            for name in self._features
        )
        event = "strftime(coalesce(a._event, b._event), '%Y-%m-%dT%H:%M:%SZ')"
        rows = self._connection.execute(
            f"select {event}, a._number is null, b._number is null, {keys}, {values} {self._joined()} "
            f"order by coalesce(a._event, b._event), {keys} limit {SHOWN}"
        ).fetchall()
        for event_timestamp, new, gone, *rest in rows:
            key = dict(zip(self._keys, rest, strict=False))
            if new or gone:
                then, now = ("no row", "a row") if new else ("a row", "no row")
                yield Difference(self._instant, key, event_timestamp, None, then, now)
                continue
            for position, feature in enumerate(self._features):
                unequal, then, now = rest[len(self._keys) + 3 * position :][:3]
                if unequal:
                    yield Difference(self._instant, key, event_timestamp, feature, then, now)
