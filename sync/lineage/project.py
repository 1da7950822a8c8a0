"""The lineage of a dbt project, from its manifest."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sync.lineage.graph import Column, Edges, Lineage
from sync.project import Project, Target
from sync.registry.compiled import decode_project
from sync.registry.manifest import ManifestFile
from sync.registry.registry import Registry
from sync.registry.rendered import ModelRenderer
from sync.sql.model import Model
from sync.sql.project import project_models
from sync.sql.query import Query, Unreadable
from sync.sql.read import SNAPSHOT_COLUMNS, read_queries
from sync.sql.trace import ROWS, Read, Trace, trace


def project_lineage(project: Project, target: Target, registry: Registry) -> Lineage:
    """Of the SQL that a build from nothing would run, rendered from the manifest, without dbt."""
    file = ManifestFile(project.target_path / "manifest.json")
    file.check_target(target)
    compiled = decode_project(file, target)
    renderer = ModelRenderer(file.tree, project, target)
    nodes = compiled.models
    for name, node in nodes.items():
        node.compiled_code = renderer.sql(file.tree["nodes"][name])
    models = project_models(project, compiled)
    values: Edges = {}
    rows: Edges = {}
    unread: dict[str, str] = {}
    names = {model: name for name, model in models.items()}
    for model, query in read_queries(list(models.values()), compiled.adapter):
        name = names[model]
        if name not in nodes:
            continue
        parents = [parent for parent in nodes[name].depends_on.nodes if parent in models]
        found = _traced(query)
        if isinstance(found, str):
            unread[name] = found
            made = frozenset(_everything(models, parents))
            values |= {Column(name, column): made for column in model.columns}
            rows[Column(name, ROWS)] = made
            continue
        unnamed = [parent for parent in parents if not models[parent].relation]
        given = _Given(names, values, unnamed[0] if len(unnamed) == 1 else None)
        values |= {Column(name, column): given.columns(read) for column, read in found.values.items()}
        rows[Column(name, ROWS)] = given.columns(found.rows)
        if model.is_snapshot:
            values |= {Column(name, column): frozenset([Column(name, ROWS)]) for column in SNAPSHOT_COLUMNS}
    return Lineage(registry, models, values, rows, unread, compiled.manifest.exposures)


class _Given(NamedTuple):
    """`unnamed`: the one relation that a query reads and whose name SQL does not know, such as files."""

    names: Mapping[Model, str]
    values: Edges
    unnamed: str | None

    def columns(self, reads: Iterable[Read]) -> frozenset[Column]:
        return frozenset(map(self._column, reads))

    def _column(self, read: Read) -> Column:
        if read.model is None:
            return Column(self.unnamed or f"table.{read.table}", read.column)
        relation = self.names[read.model]
        column = Column(relation, read.column)
        # Of a model, what is none of its columns numbers its rows, such as rowid.
        own = relation.startswith(("source.", "seed.")) or column in self.values
        return column if own else Column(relation, ROWS)


def _everything(models: Mapping[str, Model], relations: Iterable[str]) -> Iterator[Column]:
    for relation in relations:
        yield Column(relation, ROWS)
        yield from (Column(relation, column) for column in models[relation].columns)


def _traced(query: "Query | Unreadable | None") -> "Trace | str":
    """What a query reads, or why that is not known."""
    if query is None:
        return "its SQL cannot be rendered without dbt"
    if isinstance(query, Unreadable):
        return str(query)
    try:
        found = trace(query)
    except Unreadable as fault:
        return str(fault)
    return found if found.values else "a pivot, or a star over what has no known columns"
