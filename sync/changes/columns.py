"""Fingerprints of the columns of a query, from its text and the fingerprints of what it reads.

A column's fingerprint is a hash of its expression, in which each column stands for its own fingerprint: names
of CTEs, tables and columns, comments and layout leave no trace, nor do neighbour columns. Where a value
depends on which rows are there (aggregates, windows), the rows count too. The rows of a query are its
sources, joins, filters and groups.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.simplify import simplify

from sync.changes.digest import fingerprint


class Fingerprints(NamedTuple):
    """Of a relation: its rows, and each column by name in lower case."""

    rows: str
    columns: dict[str, str]


class Unresolved(Exception):
    """The query holds something whose columns cannot be followed."""


def column_fingerprints(sql: str, dialect: str, upstream: Mapping[str, Fingerprints]) -> Fingerprints:
    """`upstream`: fingerprints of the relations that the query reads, by their names in SQL, unquoted.

    Raises Unresolved where columns cannot be followed; `text_fingerprints` can always answer.
    """
    schema: dict[str, dict[str, str]] = {
        name: dict.fromkeys(found.columns, "text") for name, found in upstream.items() if found.columns
    }
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
        for table in tree.find_all(exp.Table):
            if (name := relation_name(table)) in upstream:
                table.replace(exp.alias_(exp.to_table(_flat(name)), table.alias or table.name, table=True))
        flat: dict[str, object] = {_flat(name): columns for name, columns in schema.items()}
        tree = qualify(
            tree, schema=flat, dialect=dialect, validate_qualify_columns=False, quote_identifiers=False
        )
        known = {_flat(name): found for name, found in upstream.items()}
        return _Query(dialect, known).of(tree, {})
    except (SqlglotError, RecursionError) as error:
        raise Unresolved(str(error).partition("\n")[0]) from None


def text_fingerprints(
    sql: str, dialect: str, columns: list[str], upstream: Mapping[str, Fingerprints]
) -> Fingerprints:
    """All columns share the fingerprint of the whole text and of all that it reads."""
    try:
        text = ";".join(_text(tree, dialect, upstream) for tree in sqlglot.parse(sql, read=dialect) if tree)
    except (SqlglotError, RecursionError):
        text = " ".join(sql.split())
    whole = fingerprint("text", text, *upstream_parts(upstream))
    return Fingerprints(whole, {name: fingerprint(whole, name) for name in columns})


def upstream_parts(upstream: Mapping[str, Fingerprints]) -> list[str]:
    return sorted(f"{found.rows}{sorted(found.columns.items())}" for found in upstream.values())


def _text(tree: exp.Expr, dialect: str, upstream: Mapping[str, Fingerprints]) -> str:
    """Another target's schema is no change: a relation stands for what it is made of."""
    for table in list(tree.find_all(exp.Table)):
        if (found := upstream.get(relation_name(table))) is not None:
            alias = table.alias or table.name
            table.replace(exp.alias_(exp.to_table("relation_" + found.rows), alias, table=True))
    return str(tree.sql(dialect, comments=False))


def relation_name(table: exp.Table) -> str:
    return ".".join(part.name.lower() for part in table.parts)


def _flat(name: str) -> str:
    return "relation_" + fingerprint(name)


Sources = dict[str, Fingerprints]
# What _select understands of a SELECT; a pivot, a sample and the like are left to the text.
CLAUSES = frozenset(["with", "with_", "expressions", "from", "from_", "joins", "laterals", "where", "group"])
CLAUSES |= {"having", "qualify", "windows", "distinct", "order", "limit", "offset", "sample"}
TABLE_PARTS = frozenset(["this", "db", "catalog", "alias", "sample"])


class _Query:
    def __init__(self, dialect: str, relations: Mapping[str, Fingerprints]) -> None:
        self._dialect, self._relations = dialect, relations

    def of(self, tree: exp.Expr, ctes: Sources, outer: Sources | None = None) -> Fingerprints:
        if isinstance(tree, exp.Subquery):
            return self.of(tree.this, self._with_ctes(tree, ctes, outer), outer)
        if isinstance(tree, exp.SetOperation):
            return self._set_operation(tree, self._with_ctes(tree, ctes, outer), outer)
        if isinstance(tree, exp.Select):
            return self._select(tree, self._with_ctes(tree, ctes, outer), outer or {})
        raise Unresolved(f"a {tree.key}")

    def _with_ctes(self, tree: exp.Expr, ctes: Sources, outer: Sources | None) -> Sources:
        found = dict(ctes)
        clause = tree.args.get("with_") or tree.args.get("with")
        if clause is not None:
            if clause.args.get("recursive"):
                raise Unresolved("a recursive CTE")
            for cte in clause.expressions:
                columns = self.of(cte.this, found, outer)
                names = [name.name.lower() for name in cte.args["alias"].columns]
                if names:
                    columns = Fingerprints(
                        columns.rows, dict(zip(names, columns.columns.values(), strict=False))
                    )
                found[cte.alias.lower()] = columns
        return found

    def _set_operation(self, tree: exp.SetOperation, ctes: Sources, outer: Sources | None) -> Fingerprints:
        left, right = self.of(tree.left, ctes, outer), self.of(tree.right, ctes, outer)
        if len(left.columns) != len(right.columns) or tree.args.get("by_name"):
            raise Unresolved("a set operation by name")
        kind = f"{tree.key} {bool(tree.args.get('distinct'))}"
        tail = [self._clause(tree, key, left.columns) for key in ("order", "limit", "offset")]
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        columns = {name: fingerprint(kind, mine, other) for (name, mine), other in pairs}
        rows = [kind, left.rows, right.rows, *tail]
        if tree.args.get("distinct"):
            rows += list(columns.values())
        return Fingerprints(fingerprint(*rows), columns)

    def _clause(self, tree: exp.Expr, key: str, columns: Mapping[str, str]) -> str:
        clause = tree.args.get(key)
        if clause is None:
            return ""
        copy = clause.copy()
        for column in list(copy.find_all(exp.Column)):
            column.replace(exp.to_identifier(columns.get(column.name.lower(), column.name), quoted=True))
        return str(copy.sql(self._dialect, comments=False))

    def _select(self, tree: exp.Select, ctes: Sources, outer: Sources) -> Fingerprints:
        if unknown := {key for key, value in tree.args.items() if value} - CLAUSES:
            raise Unresolved(f"a SELECT with {', '.join(sorted(unknown))}")
        sources: Sources = {}
        scope = _Scope(self, tree, ctes, sources, outer)
        rows: list[str] = []
        from_ = tree.args.get("from_") or tree.args.get("from")
        if from_ is not None:
            rows.append(scope.add(from_.this))
        for join in tree.args.get("joins") or []:
            kind = f"{join.method} {join.side} {join.kind}".lower()
            added = scope.add(join.this)
            rows.append(f"{kind} {added} {scope.conjuncts(join.args.get('on'))}")
        for lateral in tree.args.get("laterals") or []:
            rows.append(scope.add(lateral))
        for key in ("where", "having", "qualify"):
            clause = tree.args.get(key)
            rows.append(f"{key} {scope.conjuncts(clause.this)}" if clause is not None else "")
        group = tree.args.get("group")
        if group is not None:
            rows.append("group " + ",".join(sorted(scope.text(part) for part in group.expressions)))
            rows += [
                f"{key} {scope.text(group)}"
                for key in ("cube", "rollup", "grouping_sets")
                if group.args.get(key)
            ]
        elif any(_aggregates(projection) for projection in tree.expressions):
            rows.append("group all rows")
        for key in ("limit", "offset", "sample"):
            if tree.args.get(key) is not None:
                order = tree.args.get("order")
                rows.append(f"{key} {scope.text(tree.args[key])} {scope.text(order) if order else ''}")
        before = fingerprint("rows", *rows)
        columns: dict[str, str] = {}
        for projection in tree.expressions:
            if isinstance(projection, exp.Star) or (
                projection.find(exp.Star) and isinstance(projection, exp.Column)
            ):
                raise Unresolved("a star over a source whose columns are unknown")
            value = projection.unalias() if isinstance(projection, exp.Alias) else projection
            parts = [before] if _depends_on_rows(value) else []
            name = projection.alias_or_name.lower()
            # The right side of a set operation may hold what has no name, several times.
            name = f"{name} {len(columns)}" if not name or name in columns else name
            found = scope.column(value) if isinstance(value, exp.Column) else None
            columns[name] = found or fingerprint("value", scope.text(value), *parts)
            scope.named[name] = columns[name]
        distinct = tree.args.get("distinct")
        if distinct is not None:
            if distinct.args.get("on") is not None:
                raise Unresolved("DISTINCT ON")
            before = fingerprint(before, "distinct", *columns.values())
        return Fingerprints(before, columns)


class _Scope:
    """The sources of one SELECT, and texts in which its columns stand for their fingerprints."""

    def __init__(
        self, query: _Query, tree: exp.Select, ctes: Sources, sources: Sources, outer: Sources
    ) -> None:
        self._query, self._ctes, self._sources, self._outer = query, ctes, sources, outer
        # Of columns by their alias in the same SELECT, which some warehouses let other clauses use.
        self.named: dict[str, str] = {}
        self._windows = {window.name.lower(): window for window in tree.args.get("windows") or []}

    def add(self, source: exp.Expr) -> str:
        alias = source.alias_or_name.lower()
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            if {key for key, value in source.args.items() if value} - TABLE_PARTS:
                raise Unresolved(f"the relation {source.sql(self._query._dialect)}")
            name = source.name.lower()
            if name in self._ctes and not source.db:
                found = self._ctes[name]
            elif name in self._query._relations:
                found = self._query._relations[name]
            else:
                raise Unresolved(f"the relation {source.sql(self._query._dialect)}")
            if source.args.get("sample") is not None:
                found = found._replace(rows=fingerprint(found.rows, self.text(source.args["sample"])))
        elif isinstance(source, exp.Subquery):
            if source.args.get("pivots") or source.args.get("sample"):
                raise Unresolved("a subquery with a pivot or a sample")
            found = self._query.of(source, self._ctes, {**self._outer, **self._sources})
        else:
            # unnest, a table function, a lateral: its columns are of the text that makes it.
            text = self.text(source)
            table = source.args.get("alias")
            names = [column.name.lower() for column in table.columns] if table is not None else []
            made = fingerprint("made", text)
            found = Fingerprints(made, {name: fingerprint(made, str(n)) for n, name in enumerate(names)})
            self._sources[alias] = found
            # BigQuery calls the element by the alias itself.
            self.named.setdefault(alias, fingerprint(made, "0"))
            return made
        self._sources[alias] = found
        return found.rows

    def column(self, column: exp.Column) -> str:
        name, table = column.name.lower(), column.table.lower()
        for sources in (self._sources, self._outer):
            if table:
                if table in sources:
                    if name in sources[table].columns:
                        return sources[table].columns[name]
                    if sources[table].columns:
                        break
                    return fingerprint(sources[table].rows, name)
            else:
                holders = [found.columns[name] for found in sources.values() if name in found.columns]
                if len(holders) == 1:
                    return holders[0]
                if not holders and name in self.named:
                    return self.named[name]
        if name in self.named and (not table or table == name):
            return self.named[name]
        raise Unresolved(f"the column {column.sql(self._query._dialect)}")

    def text(self, expression: exp.Expr) -> str:
        copy = expression.copy()
        holder = exp.Paren(this=copy)
        while (nested := next(_nested(holder), None)) is not None:
            found = self._query.of(nested, self._ctes, {**self._outer, **self._sources})
            nested.replace(_token(fingerprint("query", found.rows, *found.columns.values())))
        for alias in list(holder.find_all(exp.TableAlias)):
            alias.pop()
        for window in list(holder.find_all(exp.Window)):
            name = window.args.get("alias")
            if name is not None and name.name.lower() in self._windows:
                window.set("alias", _token(self.text(self._windows[name.name.lower()].copy())))
        for column in list(holder.find_all(exp.Column)):
            column.replace(_token(self.column(column)))
        return str(simplify(holder).sql(self._query._dialect, comments=False))

    def conjuncts(self, condition: exp.Expr | None) -> str:
        if condition is None:
            return ""
        parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
        return " and ".join(sorted(self.text(part) for part in parts))


def _token(text: str) -> exp.Expr:
    return exp.to_identifier(text, quoted=True)


def _nested(tree: exp.Expr) -> Iterator[exp.Expr]:
    return (node for node in tree.walk() if isinstance(node, exp.Select | exp.SetOperation))


def _aggregates(expression: exp.Expr) -> bool:
    return any(
        not isinstance(found.parent, exp.Window) and found.find_ancestor(exp.Window) is None
        for found in expression.find_all(exp.AggFunc)
    )


def _depends_on_rows(expression: exp.Expr) -> bool:
    return expression.find(exp.AggFunc, exp.Window) is not None
