"""The only place that opens the warehouse which dbt's profile names."""

from contextlib import AbstractContextManager

from sync.engine import Engine
from sync.errors import did_you_mean
from sync.project import Project, Target
from sync.warehouse.warehouse import Warehouse, WarehouseUnavailable


def open_warehouse(
    project: Project, target: Target, engine: Engine | None = None
) -> AbstractContextManager[Warehouse]:
    """`engine`: what reads a DuckDB file, if it can; one that is not bounded otherwise."""
    kind = target.settings["type"]
    if kind == "duckdb":
        from sync.warehouse.duckdb import open_duckdb

        return open_duckdb(project, target, engine)
    if kind == "bigquery":
        from sync.warehouse.bigquery import open_bigquery

        return open_bigquery(target)
    from sync.warehouse.adapter import DIALECTS, open_adapter

    if kind in DIALECTS:
        return open_adapter(target)
    known = ["duckdb", "bigquery", *DIALECTS]
    raise WarehouseUnavailable(
        f"{target.source}: target {target.name} is of type '{kind}'{did_you_mean(kind, known)}; "
        f"fsync reads {', '.join(known)}"
    )
