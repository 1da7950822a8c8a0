"""The models of a view as SQL views in a DuckDB in memory, one source of theirs being the log's events."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from sync.engine import quoted
from sync.errors import FsyncError, did_you_mean
from sync.project import Project, Target
from sync.registry.compiled import CompiledNode, CompiledProject, decode_project
from sync.registry.manifest import ManifestFile, Node
from sync.registry.rendered import ModelRenderer
from sync.registry.views import FeatureView
from sync.sql.project import is_of_files, upstream
from sync.stream.live import SOURCE, LiveView
from sync.warehouse.duckdb import scratch_duckdb
from sync.warehouse.open import open_warehouse
from sync.warehouse.warehouse import Warehouse


@contextmanager
def live_view(project: Project, target: Target, view: FeatureView, source: str | None) -> Iterator[LiveView]:
    """`source`: whose rows the log's messages are, as `source.table`; None for the only one there is.

    What else the models read is copied from the warehouse once. Raises FsyncError where they cannot be run.
    """
    if target.settings["type"] != "duckdb":
        raise FsyncError(
            f"target {target.name} is of type {target.settings['type']}; a stream runs the models in DuckDB: "
            "name a duckdb target of the profile by --target"
        )
    file = ManifestFile(project.target_path / "manifest.json")
    file.check_target(target)
    compiled = decode_project(file, target)
    models = compiled.models
    above = upstream(models, {view.model}) | {view.model}
    models = {name: node for name, node in models.items() if name in above}
    streamed = _source(compiled, models, view, source)
    with scratch_duckdb(project, target) as connection:
        with open_warehouse(project, target) as warehouse:
            live = LiveView(connection, view, _columns(warehouse, compiled.manifest.sources[streamed]))
            for parent in _read_by(models):
                if parent != streamed and parent not in models:
                    _copy(connection, warehouse, file.tree, parent)
        sources = file.tree["sources"]
        tree = file.tree | {"sources": sources | {streamed: sources[streamed] | {"relation_name": SOURCE}}}
        renderer = ModelRenderer(tree, project, target)
        for name, node in models.items():
            _create_view(connection, node, tree["nodes"][name], renderer)
        yield live


def _read_by(models: dict[str, CompiledNode]) -> list[str]:
    return list(dict.fromkeys(parent for node in models.values() for parent in node.depends_on.nodes))


def _source(
    compiled: CompiledProject, models: dict[str, CompiledNode], view: FeatureView, asked: str | None
) -> str:
    sources = compiled.manifest.sources
    names = {".".join(name.split(".")[2:]): name for name in _read_by(models) if name in sources}
    if asked is not None:
        if asked not in names:
            raise FsyncError(
                f"{view.reference} does not rest on a source '{asked}'{did_you_mean(asked, names)}"
            )
        return names[asked]
    if len(names) != 1:
        found = f"the sources {', '.join(sorted(names))}; say by --source which" if names else "no source"
        raise FsyncError(f"{view.reference} rests on {found}, so events cannot be told to be rows of it")
    return next(iter(names.values()))


def _columns(warehouse: Warehouse, source: Node) -> dict[str, str]:
    try:
        return warehouse.columns(str(source.relation_name))
    except LookupError:
        raise FsyncError(
            f"the columns of the source are unknown: {source.relation_name} is not in the warehouse"
        ) from None


def _copy(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, tree: dict[str, Any], name: str
) -> None:
    node = tree["nodes"].get(name) or tree["sources"].get(name)
    if node is None or not node.get("relation_name"):
        return
    relation = str(node["relation_name"])
    if is_of_files(relation):
        return  # SQL reads them where they lie.
    _make_schema(connection, node)
    with warehouse.arrow(f"select * from {relation}") as batches:
        connection.register("copied", batches)
        connection.execute(f"create table {relation} as select * from copied")


def _create_view(
    connection: duckdb.DuckDBPyConnection, node: CompiledNode, tree: dict[str, Any], renderer: ModelRenderer
) -> None:
    where = f"model {node.name} ({node.original_file_path})"
    sql = None if node.resource_type == "snapshot" else renderer.sql(tree)
    if sql is None:
        reason = (
            "it is a snapshot"
            if node.resource_type == "snapshot"
            else "its SQL cannot be rendered without dbt"
        )
        raise FsyncError(f"{where} cannot be run over a stream: {reason}")
    relation = node.relation_name or f"__dbt__cte__{node.name}"
    try:
        _make_schema(connection, tree)
        connection.execute(f"create view {relation} as {sql}")
    except duckdb.Error as error:
        raise FsyncError(f"{where} cannot be run over a stream: {str(error).partition(chr(10))[0]}") from None


def _make_schema(connection: duckdb.DuckDBPyConnection, node: dict[str, Any]) -> None:
    database = str(node["database"])
    if database.lower() != "memory":
        connection.execute(f"attach if not exists ':memory:' as {quoted(database)}")
    connection.execute(f"create schema if not exists {quoted(database)}.{quoted(str(node['schema']))}")
