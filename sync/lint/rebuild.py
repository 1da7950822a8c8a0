"""Builds a view in a scratch DuckDB file, in full and as of instants of the past, in a process of its own.

Leaves in the scratch folder `full.kept`, `0.kept`, `1.kept`, … and `instants.json`.
"""

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from sync.lint.known import instant_sql


class Plan(NamedTuple):
    """`roots` are (kind, unique id, relation, known); `warehouse` is the user's file, read only."""

    project: str
    profiles: str
    profile: str
    target: str
    scratch: str
    database: str
    warehouse: str | None
    selection: str
    roots: list[list[Any]]
    instants: int
    seed: int

    @property
    def file(self) -> Path:
        return Path(self.scratch) / f"{self.database}.duckdb"

    def kept(self, name: str) -> Path:
        return Path(self.scratch) / f"{name}.kept"


SOURCES = "fsync_sources"


def rebuild(plan: Plan) -> None:
    from dbt.cli.main import dbtRunner

    options = ["--project-dir", plan.project, "--profiles-dir", plan.profiles, "--profile", plan.profile]
    options += ["--target", plan.target, "--target-path", str(Path(plan.scratch) / "target")]
    options += ["--log-path", str(Path(plan.scratch) / "logs")]

    def invoke(*arguments: str) -> Any:
        outcome = runner.invoke(["--quiet", "--no-use-colors", *arguments, *options])
        if not outcome.success:
            results = getattr(outcome.result, "results", None) or []
            said = [str(one.message) for one in results if one.status in ("error", "fail")]
            sys.exit("\n".join(said) or str(outcome.exception))
        _close()
        return outcome.result

    runner = dbtRunner()
    manifest = invoke("parse")
    runner = dbtRunner(manifest=manifest)
    _redirect(manifest, plan)
    _copy_sources(plan)
    seeds = [name.rsplit(".", 1)[-1] for kind, name, *_ in plan.roots if kind == "seed"]
    if seeds:
        invoke("seed", "--select", *seeds)
    shutil.copy(plan.file, plan.kept("base"))

    invoke("run", "--select", plan.selection)
    plan.file.rename(plan.kept("full"))
    instants = _choose(plan)
    written = {name: manifest.nodes[name].raw_code for kind, name, *_ in plan.roots if kind == "model"}
    for step, instant in enumerate(instants):
        shutil.copy(plan.kept("base"), plan.file)
        _cut(plan, instant)
        for kind, name, _, known in plan.roots:
            if kind == "model" and known is not None:
                manifest.nodes[
                    name
                ].raw_code = f"select * from (\n{written[name]}\n) where {_until(known, instant)}"
        invoke("run", "--select", plan.selection)
        plan.file.rename(plan.kept(str(step)))
    (Path(plan.scratch) / "instants.json").write_text(json.dumps(instants))


def _close() -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _redirect(manifest: Any, plan: Plan) -> None:
    """Sources are read from the scratch file."""
    for kind, name, *_ in plan.roots:
        if kind == "source":
            source = manifest.sources[name]
            source.database, source.schema, source.identifier = plan.database, SOURCES, name
            for meta in (source.meta, source.source_meta, source.config.meta):
                for key in ("external_location", "plugin"):
                    meta.pop(key, None)


def _copy_sources(plan: Plan) -> None:
    with _connect(plan.file) as connection:
        connection.execute(f"create schema if not exists {SOURCES}")
        if plan.warehouse is not None:
            connection.execute(f"attach {_text(plan.warehouse)} as fsync_origin (read_only)")
        connection.execute(f"set file_search_path = {_text(plan.project)}")
        for kind, name, relation, _ in plan.roots:
            if kind == "source":
                origin = relation if "'" in relation or "(" in relation else _in_origin(relation, plan)
                connection.execute(f'create table {SOURCES}."{name}" as select * from {origin}')


def _in_origin(relation: str, plan: Plan) -> str:
    database, _, rest = relation.partition(".")
    return f"fsync_origin.{rest}" if rest and database.strip('"') == plan.database else relation


def _place(kind: str, name: str, relation: str) -> str:
    """Where a root's rows lie in the scratch file, whatever that is attached as."""
    return f'{SOURCES}."{name}"' if kind == "source" else relation.partition(".")[2]


def _choose(plan: Plan) -> list[str]:
    """Instants at which something came to be known, none of the first tenth, when there is hardly a row."""
    found: list[str] = []
    for kind, name, relation, known in plan.roots:
        if known is not None:
            with _connect(plan.kept("full")) as connection:
                place = _place(kind, name, relation)
                rows = connection.execute(
                    f"select distinct strftime({instant_sql(known)}, '%Y-%m-%d %H:%M:%S.%f') from {place}"
                ).fetchall()
                found += [row[0] for row in rows if row[0] is not None]
    times = sorted(set(found))
    late = times[len(times) // 10 : -1] or times
    return sorted(random.Random(plan.seed).sample(late, min(plan.instants, len(late))))


def _cut(plan: Plan, instant: str) -> None:
    with _connect(plan.file) as connection:
        for kind, name, relation, known in plan.roots:
            if kind != "model" and known is not None:
                place = _place(kind, name, relation)
                connection.execute(f"delete from {place} where not ({_until(known, instant)})")


def _until(known: str, instant: str) -> str:
    return f"coalesce({instant_sql(known)} <= timestamp '{instant}', true)"


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path))
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


if __name__ == "__main__":
    try:
        rebuild(Plan(**json.loads(sys.argv[1])))
    except duckdb.Error as error:
        sys.exit(str(error).splitlines()[0])
