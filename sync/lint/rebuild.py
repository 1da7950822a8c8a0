"""Builds a view in a scratch DuckDB file, in full and as of instants of the past, in a process of its own.

Leaves in the scratch folder `full.kept`, `0.kept`, `1.kept`, … and `travelled.json`, or `failure`.
"""

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from sync.engine import text_literal
from sync.errors import FsyncError
from sync.lint.known import Root, instant_sql, roots
from sync.registry.manifest import Manifest, ManifestFile
from sync.registry.references import parse_view
from sync.registry.registry import Registry
from sync.registry.views import FeatureView, feature_views


class Plan(NamedTuple):
    """`profile` has the target, with a file in `scratch`; `warehouse` is the user's file, read only."""

    project: str
    view: str
    profile: str
    target: str
    scratch: str
    database: str
    warehouse: str | None
    instants: int
    seed: int

    @property
    def file(self) -> Path:
        return Path(self.scratch) / f"{self.database}.duckdb"

    def kept(self, name: str) -> Path:
        return Path(self.scratch) / f"{name}.kept"

    @property
    def travelled(self) -> Path:
        return Path(self.scratch) / "travelled.json"

    @property
    def failure(self) -> Path:
        return Path(self.scratch) / "failure"

    def failed(self, said: str) -> FsyncError:
        """With the last lines of what was said."""
        words = " ".join(line.strip() for line in said.splitlines()[-6:])
        return FsyncError(f"time travel could not build {self.view}: {words}")


class Travelled(msgspec.Struct):
    """The view, the file of its model, and the instants as of which it was built."""

    view: FeatureView
    file: str
    instants: list[str]


SOURCES = "fsync_sources"


def rebuild(plan: Plan) -> Travelled:
    """Raises FsyncError where the view cannot be built as of the past."""
    from dbt.cli.main import dbtRunner

    target_path = Path(plan.scratch) / "target"
    options = ["--project-dir", plan.project, "--profiles-dir", plan.scratch, "--profile", plan.profile]
    options += ["--target", plan.target, "--target-path", str(target_path)]
    options += ["--log-path", str(Path(plan.scratch) / "logs")]

    def invoke(*arguments: str) -> Any:
        outcome = runner.invoke(["--quiet", "--no-use-colors", *arguments, *options])
        if not outcome.success:
            results = getattr(outcome.result, "results", None) or []
            said = [str(one.message) for one in results if one.status in ("error", "fail")]
            raise plan.failed("\n".join(said) or str(outcome.exception))
        _close()
        return outcome.result

    runner = dbtRunner()
    parsed = invoke("parse")
    runner = dbtRunner(manifest=parsed)
    manifest = ManifestFile(target_path / "manifest.json")
    nodes = manifest.decode(Manifest)
    view = Registry(nodes.metadata.project_name, feature_views(nodes), {}, ()).view(parse_view(plan.view))
    upstream = roots(manifest, view.model)
    selection = "+" + view.name + (f".v{view.version}" if view.version else "")

    _redirect(parsed, upstream, plan)
    _copy_sources(upstream, plan)
    seeds = [root.unique_id.rsplit(".", 1)[-1] for root in upstream if root.kind == "seed"]
    if seeds:
        invoke("seed", "--select", *seeds)
    shutil.copy(plan.file, plan.kept("base"))

    invoke("run", "--select", selection)
    plan.file.rename(plan.kept("full"))
    dated = [root for root in upstream if root.known is not None]
    instants = _choose(dated, plan)
    models = [root for root in dated if root.kind == "model"]
    written = {root.unique_id: parsed.nodes[root.unique_id].raw_code for root in models}
    for step, instant in enumerate(instants):
        shutil.copy(plan.kept("base"), plan.file)
        _cut(dated, instant, plan)
        for root in models:
            text = f"select * from (\n{written[root.unique_id]}\n) where {_until(root, instant)}"
            parsed.nodes[root.unique_id].raw_code = text
        invoke("run", "--select", selection)
        plan.file.rename(plan.kept(str(step)))
    return Travelled(view, nodes.nodes[view.model].original_file_path, instants)


def _close() -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _redirect(manifest: Any, upstream: list[Root], plan: Plan) -> None:
    """Sources are read from the scratch file."""
    for root in upstream:
        if root.kind == "source":
            source = manifest.sources[root.unique_id]
            source.database, source.schema, source.identifier = plan.database, SOURCES, root.unique_id
            for meta in (source.meta, source.source_meta, source.config.meta):
                for key in ("external_location", "plugin"):
                    meta.pop(key, None)


def _copy_sources(upstream: list[Root], plan: Plan) -> None:
    with _connect(plan.file) as connection:
        connection.execute(f"create schema if not exists {SOURCES}")
        if plan.warehouse is not None:
            connection.execute(f"attach {text_literal(plan.warehouse)} as fsync_origin (read_only)")
        connection.execute(f"set file_search_path = {text_literal(plan.project)}")
        for root in upstream:
            if root.kind == "source":
                is_query = "'" in root.relation or "(" in root.relation
                origin = root.relation if is_query else _in_origin(root.relation, plan)
                connection.execute(f"create table {_place(root)} as select * from {origin}")


def _in_origin(relation: str, plan: Plan) -> str:
    database, _, rest = relation.partition(".")
    return f"fsync_origin.{rest}" if rest and database.strip('"') == plan.database else relation


def _place(root: Root) -> str:
    """Where a root's rows lie in the scratch file, whatever that is attached as."""
    return f'{SOURCES}."{root.unique_id}"' if root.kind == "source" else root.relation.partition(".")[2]


def _choose(dated: list[Root], plan: Plan) -> list[str]:
    """Instants at which something came to be known, none of the first tenth, when there is hardly a row."""
    found: list[str] = []
    for root in dated:
        with _connect(plan.kept("full")) as connection:
            rows = connection.execute(
                f"select distinct strftime({instant_sql(str(root.known))}, '%Y-%m-%d %H:%M:%S.%f') "
                f"from {_place(root)}"
            ).fetchall()
            found += [row[0] for row in rows if row[0] is not None]
    times = sorted(set(found))
    late = times[len(times) // 10 : -1] or times
    return sorted(random.Random(plan.seed).sample(late, min(plan.instants, len(late))))


def _cut(dated: list[Root], instant: str, plan: Plan) -> None:
    with _connect(plan.file) as connection:
        for root in dated:
            if root.kind != "model":
                connection.execute(f"delete from {_place(root)} where not ({_until(root, instant)})")


def _until(root: Root, instant: str) -> str:
    return f"coalesce({instant_sql(str(root.known))} <= timestamp '{instant}', true)"


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path))
    connection.execute("set TimeZone = 'UTC'")
    return connection


if __name__ == "__main__":
    plan = Plan(**json.loads(sys.argv[1]))
    try:
        plan.travelled.write_bytes(msgspec.json.encode(rebuild(plan)))
    except FsyncError as error:
        plan.failure.write_text(str(error))
    except duckdb.Error as error:
        plan.failure.write_text(str(plan.failed(str(error).splitlines()[0])))
