"""A BigQuery project's tables and views in memory, and what a statement does to them by the evaluator."""

import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlglot
from sqlglot.tokens import Token

from tests.bigquery.merge import merge
from tests.bigquery.reference import GoogleSQL, GoogleSQLError, Table, for_the_evaluator

NAME = re.compile(r"`([\w-]+\.\w+\.\w+)`")


@dataclass(frozen=True)
class Done:
    """A statement's kind in BigQuery's words, its rows, and the table that holds them if it made one."""

    kind: str
    rows: Table | None = None
    destination: str | None = None


@dataclass
class View:
    sql: str
    rows: Table | None = None
    of: Mapping[str, Table] = field(default_factory=dict)


class Warehouse:
    def __init__(self, engines: int = 2) -> None:
        self.datasets: set[str] = set()
        self.tables: dict[str, Table] = {}
        self.views: dict[str, View] = {}
        self._engines: queue.SimpleQueue[GoogleSQL] = queue.SimpleQueue()
        for _ in range(engines):
            self._engines.put(GoogleSQL())

    def execute(self, sql: str) -> Done:
        """Any statement is analyzed whole; what it selects is evaluated."""
        sql = for_the_evaluator(sql).strip()
        tokens = sqlglot.tokenize(sql, read="bigquery")
        words = [token.text.lower() for token in tokens[:5]]
        with self._engine() as engine:
            # What it makes anew need not be there, let alone be evaluated.
            made = NAME.findall(sql)[:1] if words[0] == "create" else []
            tables = self._named(sql, engine, made)
            if words[0] in ("select", "with", "("):
                # Asked for no rows but for their types, as dbt does for a contract.
                if sql.lower().endswith("limit 0"):
                    tables = {name: table.without_rows for name, table in tables.items()}
                return Done("SELECT", engine.query(sql, tables))
            resolved = engine.analyze(sql, tables)
            if words[:2] == ["alter", "table"] and words[3:5] == ["set", "options"]:
                return Done("ALTER_TABLE")
            if words[0] == "merge":
                self._merge(sql, tables, engine)
                return Done("MERGE")
            if words[0] != "create":
                raise GoogleSQLError(f"not of this warehouse: {' '.join(words)}")
            if "schema" in words:
                self.datasets.add(re.findall(r"`(\w+)`", sql)[-1])
                return Done("CREATE_SCHEMA")
            selected = _after_as(sql, tokens)
            name = NAME.findall(sql)[0]
            if "view" in words:
                self.views[name] = View(selected)
                return Done("CREATE_VIEW")
            rows = engine.query(selected, tables)
        base = resolved.resolved_create_statement_node.resolved_create_table_stmt_base_node
        declared = base.resolved_create_table_as_select_stmt_node.parent.column_definition_list
        for column in declared:
            if rows.columns[column.name] != column.type:
                raise GoogleSQLError(
                    f"{name}.{column.name} is declared {column.type}, not {rows.columns[column.name]}"
                )
        self.tables[name] = rows
        return Done("CREATE_TABLE_AS_SELECT", rows, name)

    def _merge(self, sql: str, tables: Mapping[str, Table], engine: GoogleSQL) -> None:
        name = NAME.findall(sql)[0]
        before = self.tables[name]
        plan = merge(sql, list(before.columns))
        kept, inserted = engine.query(plan.kept, tables), engine.query(plan.inserted, tables)
        if len(kept) != len(before):
            raise GoogleSQLError("UPDATE/MERGE must match at most one source row for each target row")
        if not kept.columns == inserted.columns == before.columns:
            raise GoogleSQLError(f"the merge into {name} changes types")
        self.tables[name] = kept.and_rows_of(inserted)

    def read(self, name: str) -> Table:
        """The rows of a table or a view; KeyError when there is none."""
        if name in self.tables:
            return self.tables[name]
        with self._engine() as engine:
            return self._rows(name, engine)

    @contextmanager
    def _engine(self) -> Iterator[GoogleSQL]:
        engine = self._engines.get()
        try:
            yield engine
        finally:
            self._engines.put(engine)

    def _named(self, sql: str, engine: GoogleSQL, made: Sequence[str] = ()) -> dict[str, Table]:
        known = self.tables.keys() | self.views.keys()
        names = (set(NAME.findall(sql)) & known).difference(made)
        return {name: self._rows(name, engine) for name in sorted(names)}

    def _rows(self, name: str, engine: GoogleSQL) -> Table:
        if name in self.tables:
            return self.tables[name]
        view = self.views[name]
        tables = self._named(view.sql, engine)
        # A view is evaluated again only when what it reads is no longer what it was.
        if view.rows is None or any(view.of.get(name) is not table for name, table in tables.items()):
            view.rows, view.of = engine.query(view.sql, tables), tables
        return view.rows


def _after_as(sql: str, tokens: list[Token]) -> str:
    """The query of a `create … as`: columns and options before it lie in brackets."""
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text.lower() == "as":
            return sql[token.end + 1 :]
    raise GoogleSQLError("a create without a query")
