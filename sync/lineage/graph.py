"""The columns of a project, which of them each is made of, and who reads them."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from sync.errors import FsyncError, did_you_mean
from sync.registry.manifest import Exposure
from sync.registry.references import parse_feature
from sync.registry.registry import Registry, check_feature
from sync.registry.views import FeatureView
from sync.sql.model import Model
from sync.sql.trace import ROWS


class Column(NamedTuple):
    """Of a relation, by its unique id in the manifest; `*` for which rows it has.

    `table.<SQL>` is a table or file that a model reads past dbt.
    """

    relation: str
    column: str


Edges = dict[Column, frozenset[Column]]


class Lineage:
    """`values`: what each column's expression reads. `rows`: what decides on its rows.

    `unread`: relations whose SQL cannot be followed, and why. Each column of theirs counts as made of all
    columns that they read.
    """

    def __init__(
        self,
        registry: Registry,
        models: Mapping[str, Model],
        values: Edges,
        rows: Edges,
        unread: Mapping[str, str],
        exposures: Mapping[str, Exposure],
    ) -> None:
        self.registry, self.models, self.unread = registry, models, unread
        self.values, self.rows = values, rows
        self._exposures = exposures
        self._views = {view.model: view for view in registry.views.values()}
        self._features = {
            Column(view.model, feature.name.lower()): f"{view.reference}:{feature.name}"
            for view in registry.views.values()
            for feature in view.features
        }

    def view(self, feature: Column) -> FeatureView | None:
        """Of a feature; None of a column that is none."""
        return self._views[feature.relation] if feature in self._features else None

    def relation_name(self, relation: str) -> str:
        """`model`, `view@2`, or `source.table`."""
        if relation in self._views:
            return self._views[relation].reference
        if relation.startswith("source."):
            return ".".join(relation.split(".")[2:])
        if relation not in self.models:
            return relation.removeprefix("table.")
        name, versioned, version = self.models[relation].name.rpartition(".v")
        return f"{name}@{version}" if versioned else version

    def name(self, column: Column) -> str:
        """`view:feature` of a feature, `model.column` of what is none, `model.*` of a model's rows."""
        if column in self._features:
            return self._features[column]
        return f"{self.relation_name(column.relation)}.{column.column}"

    def is_feature(self, column: Column) -> bool:
        return column in self._features

    def relation(self, text: str) -> str:
        """The unique id of a model, view, seed, snapshot or source. Raises FsyncError."""
        if text not in self._names:
            raise FsyncError(f"there is no model or source '{text}'{did_you_mean(text, self._names)}")
        return self._names[text]

    def find(self, text: str) -> Column:
        """A column by `view:feature`, `model.column` or `source.table.column`. Raises FsyncError."""
        if ":" in text:
            check_feature(self.registry, text)
            return self._feature(text)
        relation, _, name = text.rpartition(".")
        column = Column(self.relation(relation), name.lower())
        known = self.columns(column.relation)
        if column not in known:
            names = [one.column for one in known]
            raise FsyncError(f"{relation} has no column '{name}'{did_you_mean(name.lower(), names)}")
        return column

    def select(self, text: str | None) -> list[Column]:
        """A column, all columns of a model or source, or all features. Raises FsyncError."""
        if text is None:
            return list(self._features)
        return [self.find(text)] if self.is_column(text) else self.columns(self.relation(text))

    def is_column(self, text: str) -> bool:
        """Whether a text means one column; else it is a relation's name."""
        return ":" in text or ("." in text and text not in self._names)

    def columns(self, relation: str) -> list[Column]:
        """In the order of the SELECT; of a source those that its YAML or anybody's SQL names.

        Raises FsyncError where nothing names any.
        """
        read = sorted(one.column for one in self._all_children if one.relation == relation)
        names = dict.fromkeys([*self.models[relation].columns, *read])
        found = [Column(relation, name) for name in names if name != ROWS]
        if not found:
            raise FsyncError(
                f"no column of {self.relation_name(relation)} is known ({self.models[relation].file}); "
                "name them in YAML, under its `columns:`"
            )
        return found

    def sources(self, column: Column) -> list[Column]:
        """The columns of sources and seeds that a value is made of, `*` where it counts their rows."""
        edges = self._counting
        return self.named(one for one in _closure(edges, [column]) if not edges.get(one))

    def row_sources(self, column: Column) -> list[Column]:
        """Those that decide which rows it is made of and stands in."""
        made = {one.relation for one in _closure(self.values, [column])}
        deciding = _closure(self._all, [Column(relation, ROWS) for relation in made])
        return self.named(one for one in deciding if not self._all.get(one) and one.column != ROWS)

    def ancestors(self, column: Column) -> list[Column]:
        """All that a value is made of."""
        return self.named(_closure(self.values, [column]) - {column})

    def reached(self, column: Column) -> list[Column]:
        """All that is made of its values."""
        return self.named(_closure(self.children, [column]) - {column})

    def rows_reached(self, column: Column) -> list[str]:
        """The feature views whose rows it decides on, besides the values it is in."""
        found = {one.relation for one in _closure(self._all_children, [column]) if one.column == ROWS}
        return sorted(self._views[relation].reference for relation in found & self._views.keys())

    def services(self, column: Column) -> list[str]:
        """The feature services that read a feature."""
        return self._services.get(column, [])

    def exposures(self, relation: str) -> list[str]:
        """Those that are no feature services of a view, and read a relation whole."""
        whole = (
            exposure
            for exposure in self._exposures.values()
            if relation in exposure.depends_on.nodes
            and not (relation in self._views and "features" in exposure.settings)
        )
        return sorted(exposure.name for exposure in whole if exposure.config.enabled)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The relations by name; a bare name is the latest version."""
        names = {self.relation_name(relation): relation for relation in self.models}
        return names | {view.name: view.model for view in self._views.values() if view.latest}

    @cached_property
    def _services(self) -> dict[Column, list[str]]:
        readers: dict[Column, list[str]] = {}
        for service in self.registry.services.values():
            for text in service.features:
                readers.setdefault(self._feature(text), []).append(service.name)
        return readers

    def _feature(self, text: str) -> Column:
        reference = parse_feature(text)
        return Column(self.registry.view(reference.view).model, reference.feature.lower())

    @cached_property
    def children(self) -> Edges:
        return _turned(self.values)

    @cached_property
    def _all(self) -> Edges:
        return self.values | self.rows

    @cached_property
    def _counting(self) -> Edges:
        """The values, and rows of which relations the rows of a relation are."""
        return self.values | {
            column: frozenset(parent for parent in parents if parent.column == ROWS)
            for column, parents in self.rows.items()
        }

    @cached_property
    def _all_children(self) -> Edges:
        return _turned(self._all)

    def named(self, columns: Iterable[Column]) -> list[Column]:
        return sorted(columns, key=self.name)


def _closure(edges: Edges, start: Iterable[Column]) -> set[Column]:
    found, waiting = set(start), list(start)
    while waiting:
        new = edges.get(waiting.pop(), frozenset()) - found
        found |= new
        waiting += new
    return found


def _turned(edges: Edges) -> Edges:
    turned: dict[Column, set[Column]] = {}
    for column, parents in edges.items():
        for parent in parents:
            turned.setdefault(parent, set()).add(column)
    return {column: frozenset(children) for column, children in turned.items()}
