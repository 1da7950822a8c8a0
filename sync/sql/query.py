"""One model's SQL: its scopes, and where each column comes from, through CTEs and subqueries."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from sync.sql.model import Model, Relation, Tables


class Unreadable(Exception):
    """SQL that sqlglot does not understand; `line` is where it gave up."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@contextmanager
def following() -> Iterator[None]:
    """Around what walks a query: raises Unreadable where it is nested too deeply."""
    try:
        yield
    except RecursionError:
        raise Unreadable("its queries are nested too deeply", 1) from None


class Step(NamedTuple):
    """A column on its way: read under an alias in a scope; `model` where the way ends in a table."""

    scope: int
    alias: str
    column: str
    table: int | None
    model: Model | None


class Query:
    def __init__(
        self,
        sql: str,
        dialect: str,
        tables: Tables,
        schema: MappingSchema,
        upstream: "Mapping[Model, Query]",
    ) -> None:
        """`upstream`: the queries of models that this one may read. Raises Unreadable."""
        self.sql = sql
        self.dialect = dialect
        self.tables = tables
        self.upstream = upstream
        self.tree = _qualified(sql, dialect, schema)
        try:
            self.scopes: list[Scope] = traverse_scope(self.tree)
            for scope in self.scopes:
                _ = scope.selected_sources
        except SqlglotError as error:
            raise Unreadable(str(error).splitlines()[0], 1) from None
        self.root = self.scopes[-1]
        self._steps: dict[tuple[int, str, str], frozenset[Step]] = {}
        # What rules found of a scope or column: a CTE may be read many times over.
        self.memo: dict[tuple[object, ...], Any] = {}

    def selects(self) -> Iterator[tuple[Scope, exp.Select]]:
        for scope in self.scopes:
            if isinstance(scope.expression, exp.Select):
                yield scope, scope.expression

    def outputs(self) -> list[str]:
        """Names of the columns of the result; none when a star could not be expanded."""
        names = [name.lower() for name in self.tree.named_selects]
        return [] if "*" in names else names

    def model_of(self, table: exp.Table) -> Model | None:
        return self.tables.find(relation_of(table))

    def steps(self, expression: exp.Expr, scope: Scope) -> frozenset[Step]:
        """All that an expression is computed from, step by step down to the tables."""
        found: set[Step] = set()
        for column in own_columns(expression):
            found |= self._steps_of(column.table.lower(), column.name.lower(), scope)
        return frozenset(found)

    def bases(self, expression: exp.Expr, scope: Scope) -> Iterator[tuple[Model, str]]:
        for step in self.steps(expression, scope):
            if step.model is not None:
                yield step.model, step.column

    def _steps_of(self, alias: str, name: str, scope: Scope) -> frozenset[Step]:
        key = (id(scope), alias, name)
        if key in self._steps:
            return self._steps[key]
        self._steps[key] = frozenset()  # of a recursive CTE
        place = find_source(scope, alias)
        found: set[Step] = set()
        if place is not None:
            owner, source = place
            if isinstance(source, exp.Table):
                found.add(Step(id(owner), alias, name, id(source), self.model_of(source)))
            else:
                found.add(Step(id(owner), alias, name, None, None))
                for inner, projection in projections(source, name):
                    found |= self.steps(projection, inner)
        self._steps[key] = frozenset(found)
        return self._steps[key]

    def is_time(self, expression: exp.Expr, scope: Scope) -> bool:
        """Whether it rests on a column that says when something was."""
        found = list(self.bases(expression, scope))
        if found:
            return any(model.is_time(column) for model, column in found)
        nothing = Model("")
        return any(nothing.is_time(column.name.lower()) for column in own_columns(expression))


def _qualified(sql: str, dialect: str, schema: MappingSchema) -> exp.Query:
    try:
        statements = [statement for statement in parse(sql, dialect=dialect) if statement is not None]
    except SqlglotError as error:
        places: list[dict[str, Any]] = getattr(error, "errors", None) or [{}]
        words = str(places[0].get("description") or error).splitlines()[0]
        raise Unreadable(words, places[0].get("line") or 1) from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise Unreadable("it is not one SELECT", 1)
    tree = statements[0]
    _drop_ephemeral(tree)
    try:
        tree = qualify(
            tree,
            dialect=dialect,
            schema=schema,
            validate_qualify_columns=False,
            allow_partial_qualification=True,
            quote_identifiers=False,
        )
    except SqlglotError as error:
        raise Unreadable(str(error).splitlines()[0], 1) from None
    except (RecursionError, AttributeError, KeyError, TypeError, ValueError) as error:
        # sqlglot's own failures on SQL it half understands.
        raise Unreadable(f"sqlglot fails on it ({type(error).__name__})", 1) from None
    return tree


def _drop_ephemeral(tree: exp.Query) -> None:
    """dbt puts ephemeral models in front as CTEs; they are models of their own."""
    clause = tree.args.get("with_")
    if clause is None:
        return
    kept = [cte for cte in clause.expressions if not cte.alias.startswith("__dbt__cte__")]
    if len(kept) != len(clause.expressions):
        clause.set("expressions", kept)
        if not kept:
            tree.set("with_", None)


def relation_of(table: exp.Table) -> Relation:
    return tuple(part.name.lower() for part in table.parts if part.name)


def find_source(scope: Scope, alias: str) -> "tuple[Scope, exp.Table | Scope] | None":
    """The source under an alias, here or in a scope around (a correlated subquery)."""
    around: Scope | None = scope
    while around is not None:
        for name, (_, source) in around.selected_sources.items():
            if name.lower() == alias and isinstance(source, exp.Table | Scope):
                return around, source
        if not alias and len(around.selected_sources) == 1:
            only = next(iter(around.selected_sources.values()))[1]
            return (around, only) if isinstance(only, exp.Table | Scope) else None
        around = around.parent
    return None


def projections(scope: Scope, name: str) -> Iterator[tuple[Scope, exp.Expr]]:
    """What a column of a subquery is, in each branch of a union."""
    expression = scope.expression
    if isinstance(expression, exp.SetOperation):
        names = [column.lower() for column in expression.named_selects]
        if name in names:
            for branch in scope.set_operation_scopes:
                yield from _at(branch, names.index(name))
    elif isinstance(expression, exp.Select):
        for projection in expression.selects:
            if projection.alias_or_name.lower() == name:
                yield scope, projection.unalias()
    else:  # LATERAL
        for inner in scope.subquery_scopes:
            yield from projections(inner, name)


def _at(scope: Scope, index: int) -> Iterator[tuple[Scope, exp.Expr]]:
    expression = scope.expression
    if isinstance(expression, exp.SetOperation):
        for branch in scope.set_operation_scopes:
            yield from _at(branch, index)
    elif isinstance(expression, exp.Select) and index < len(expression.selects):
        yield scope, expression.selects[index].unalias()


def own_columns(expression: exp.Expr) -> Iterator[exp.Column]:
    """Without those of a subquery, which has a scope of its own."""
    for node in expression.walk(prune=lambda node: isinstance(node, exp.Query | exp.Subquery)):
        if isinstance(node, exp.Column):
            yield node


def own_nodes(select: exp.Expr, *kinds: type[exp.Expr]) -> Iterator[Any]:
    """Nodes of a SELECT that are not in a subquery, CTE or derived table of it."""
    for node in select.walk(prune=lambda node: isinstance(node, exp.Query) and node is not select):
        if isinstance(node, kinds):
            yield node


def line_of(node: exp.Expr) -> int:
    """The first line of a node, or of what stands around it: not every node knows its place."""
    around: exp.Expr | None = node
    while around is not None:
        own = around.meta.get("line")
        lines = [own] if own else [inner.meta["line"] for inner in around.walk() if "line" in inner.meta]
        if lines:
            return int(min(lines))
        around = around.parent
    return 1


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """The predicates that all must hold."""
    if condition is None:
        return
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
    else:
        yield condition


def predicates(select: exp.Select) -> Iterator[exp.Expr]:
    """Of WHERE, ON, HAVING and QUALIFY, those that every row of the result fulfils."""
    for join in select.args.get("joins") or []:
        yield from conjuncts(join.args.get("on"))
    for clause in ("where", "having", "qualify"):
        node = select.args.get(clause)
        if node is not None:
            yield from conjuncts(node.this)


def window_of(window: exp.Window) -> tuple[list[exp.Expr], list[exp.Ordered], exp.WindowSpec | None]:
    """Partition, order and frame, also of a named window and of one that extends a named one."""
    partition = list(window.args.get("partition_by") or [])
    order = window.args.get("order")
    ordered = list(order.expressions) if order else []
    spec = window.args.get("spec")
    name = window.args.get("alias")
    select = window.find_ancestor(exp.Select)
    if name is not None and select is not None:
        for named in select.args.get("windows") or []:
            if named is not window and named.name.lower() == name.name.lower():
                inner = window_of(named)
                return partition or inner[0], ordered or inner[1], spec or inner[2]
    return partition, ordered, spec
