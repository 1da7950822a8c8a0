"""The columns that one query reads, for each column of its result and for which rows there are."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from sync.sql.model import Model
from sync.sql.query import (
    Query,
    find_source,
    following,
    own_columns,
    own_nodes,
    predicates,
    projections,
    relation_of,
    window_of,
)

# Stands for the rows of a relation: which of them there are.
ROWS = "*"


class Read(NamedTuple):
    """A column that a query reads; of what is no model's relation `model` is None and `table` its SQL."""

    model: Model | None
    column: str
    table: str = ""


class Trace(NamedTuple):
    """`values`: what the expression of each column reads. `rows`: what joins, filters, groups, windows do."""

    values: dict[str, frozenset[Read]]
    rows: frozenset[Read]


@following()
def trace(query: Query) -> Trace:
    """`values` is empty where the columns of the result are unknown, behind a star or a pivot.

    Raises Unreadable where queries are nested too deeply.
    """
    tracer = _Tracer(query)
    values = {
        # A constant tells of nothing but the rows that hold it.
        name: frozenset(tracer.output(name) or tracer.counted(query.root))
        for name in ([] if query.tree.find(exp.Pivot) else query.outputs())
    }
    return Trace(values, tracer.rows(query.root))


class _Tracer:
    def __init__(self, query: Query) -> None:
        self._query = query
        self._scopes = {id(scope.expression): scope for scope in query.scopes}
        # A recursive CTE reads itself as a scope of its first branch, which sqlglot does not look into.
        self._recursive = {
            id(scope.set_operation_scopes[0].expression): scope
            for scope in query.scopes
            if scope.is_cte and scope.set_operation_scopes
        }
        self._columns: dict[tuple[int, str, str], frozenset[Read]] = {}
        self._rows: dict[int, frozenset[Read]] = {}

    def output(self, name: str) -> set[Read]:
        found = projections(self._query.root, name)
        return {read for scope, projection in found for read in self.value(projection, scope)}

    def value(self, expression: exp.Expr, scope: Scope) -> set[Read]:
        found = self._own(expression, scope)
        # count(*) and row_number() hold what rows there are.
        return self.counted(scope) if not found and _counts(expression) else found

    def counted(self, scope: Scope) -> set[Read]:
        return {read for read in self.rows(scope) if read.column == ROWS}

    def rows(self, scope: Scope) -> frozenset[Read]:
        """Conditions and groups of a scope, the rows of what it reads, and the same of its subqueries."""
        if id(scope) not in self._rows:
            self._rows[id(scope)] = frozenset()
            self._rows[id(scope)] = frozenset(self._rows_of(scope))
        return self._rows[id(scope)]

    def _rows_of(self, scope: Scope) -> Iterator[Read]:
        expression = scope.expression
        if isinstance(expression, exp.SetOperation):
            for branch in scope.set_operation_scopes:
                yield from self.rows(branch)
            if expression.args.get("distinct") or not isinstance(expression, exp.Union):
                for name in expression.named_selects:
                    for inner, projection in projections(scope, name.lower()):
                        yield from self.value(projection, inner)
        for _, source in scope.selected_sources.values():
            if isinstance(source, exp.Table):
                yield self._table(source, ROWS)
            elif isinstance(source.expression, exp.Query):
                if self._is_known(source):
                    yield from self.rows(source)
            else:
                yield from self._all(source, scope)
        if isinstance(expression, exp.Select):
            for part in _conditions(expression):
                yield from self._own(part, scope)

    def _own(self, expression: exp.Expr, scope: Scope) -> set[Read]:
        found: set[Read] = set()
        for column in own_columns(expression):
            if not _in_window_order(column):
                found |= self._column(column, scope)
        for nested in _nested(expression):
            # Its columns are its own or, where it is correlated, those of the scope around.
            inner = self._scopes.get(id(nested))
            found |= set(self.rows(inner)) if inner is not None else set()
            for column in nested.find_all(exp.Column):
                found |= self._column(column, self._scope_of(column) or scope)
        return found

    def _is_known(self, scope: Scope) -> bool:
        return self._scopes.get(id(scope.expression)) is scope

    def _scope_of(self, column: exp.Column) -> Scope | None:
        around = column.find_ancestor(exp.Select)
        return None if around is None else self._scopes.get(id(around))

    def _column(self, column: exp.Column, scope: Scope) -> frozenset[Read]:
        key = (id(scope), column.table.lower(), column.name.lower())
        if key not in self._columns:
            self._columns[key] = frozenset()  # where a recursive CTE comes round
            self._columns[key] = frozenset(self._read(key[1], key[2], scope))
        return self._columns[key]

    def _read(self, alias: str, name: str, scope: Scope) -> Iterable[Read]:
        place = find_source(scope, alias)
        if place is not None:
            yield from self._read_of(place[1], name, place[0])
        elif alias:
            # A struct: what stands for a table is a column, and the column a field of it.
            yield from self._read("", alias, scope)
        else:
            for _, source in scope.selected_sources.values():
                if isinstance(source, exp.Table | Scope) and self._may_have(source, name):
                    yield from self._read_of(source, name, scope)

    def _read_of(self, source: "exp.Table | Scope", name: str, owner: Scope) -> Iterable[Read]:
        if isinstance(source, exp.Table):
            yield self._table(source, name)
        elif not isinstance(source.expression, exp.Query):
            yield from self._all(source, owner)
        elif self._is_known(source):
            found = list(projections(source, name))
            for inner, projection in found:
                yield from self.value(projection, inner)
            if not found and source.expression.is_star:
                for branch in source.set_operation_scopes or [source]:
                    yield from self._read("", name, branch)
        elif (recursive := self._recursive.get(id(source.expression))) is not None:
            yield from self._all(recursive, owner)

    def _table(self, table: exp.Table, column: str) -> Read:
        model = self._query.model_of(table)
        if model is not None:
            return Read(model, column)
        name = ".".join(relation_of(table))
        return Read(None, column, name or table.this.sql(self._query.dialect, normalize_functions="lower"))

    def _may_have(self, source: "exp.Table | Scope", name: str) -> bool:
        """Whether a table whose columns may not be known can have one of that name."""
        model = self._query.model_of(source) if isinstance(source, exp.Table) else None
        return model is None or not model.columns or name in model.columns

    def _all(self, source: Scope, owner: Scope) -> Iterator[Read]:
        """All columns that are read in a scope, such as those that unnest or a table function is given."""
        for column in source.expression.find_all(exp.Column):
            yield from self._column(column, self._scope_of(column) or owner)


def _conditions(select: exp.Select) -> Iterator[exp.Expr]:
    yield from predicates(select)
    if select.args.get("group") is not None:
        yield select.args["group"]
    for window in own_nodes(select, exp.Window):
        partition, order, _ = window_of(window)
        # Copies stand in no window: here they count.
        yield from (part.copy() for part in [*partition, *order])
    distinct = select.args.get("distinct")
    on = None if distinct is None else distinct.args.get("on")
    if distinct is not None:
        yield from select.selects if on is None else [on]
    if (select.args.get("limit") or on) and select.args.get("order") is not None:
        yield select.args["order"]


def _nested(expression: exp.Expr) -> Iterator[exp.Query]:
    """The outermost queries within an expression."""
    for node in expression.walk(prune=lambda node: isinstance(node, exp.Select | exp.SetOperation)):
        if isinstance(node, exp.Select | exp.SetOperation):
            yield node


def _in_window_order(column: exp.Expr) -> bool:
    """Whether it says which rows a window takes, not what it makes of them."""
    node = column
    while node.parent is not None and not isinstance(node, exp.Query):
        if isinstance(node.parent, exp.Window) and node.arg_key in ("partition_by", "order"):
            return True
        node = node.parent
    return False


def _counts(expression: exp.Expr) -> bool:
    return any(True for _ in own_nodes(expression, exp.AggFunc, exp.Window))
