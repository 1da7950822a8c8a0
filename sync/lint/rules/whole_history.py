from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.lint.rules.point_in_time import lookups
from sync.sql.model import Model
from sync.sql.query import Query, line_of, own_columns, own_nodes, predicates, projections


class WholeHistory(Rule):
    """An aggregate over all times is not put beside a time of the past.

    Grouped by the key alone, a sum holds everything up to today; joined back to rows with their own times,
    or stamped with anything but the inputs' `max()`, it tells the past what came later. Group by the time
    too, or take a running window.

    ```sql wrong
    select purchases.player_id, purchases.event_at as event_timestamp, totals.spent
    from purchases
    join (select player_id, sum(amount) as spent from purchases group by player_id) as totals
        on purchases.player_id = totals.player_id
    ```

    ```sql right
    select
        player_id,
        event_at as event_timestamp,
        sum(amount) over (partition by player_id order by event_at) as spent
    from purchases
    ```
    """

    code, title, severity = "FS004", "An aggregate over all history", "warning"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not model.under_watch:
            return
        told = {(id(found.scope), found.alias) for _, found, _ in lookups(query)}
        for scope, select in query.selects():
            for alias, (node, source) in scope.selected_sources.items():
                values = whole_history(query, source)
                used = _used(select, alias.lower(), values)
                if (
                    used is None
                    or (id(scope), alias.lower()) in told
                    or not _beside_times(query, scope, alias.lower())
                ):
                    continue
                yield Hit(
                    line_of(node),
                    f"{used} is an aggregate over all times, put beside rows with times of their own",
                )
            for subquery in _scalars(select):
                inner = next((one for one in scope.subquery_scopes if one.expression is subquery.this), None)
                values = (
                    frozenset() if inner is None or inner.external_columns else whole_history(query, inner)
                )
                if values and _outputs_time(query, scope, select):
                    yield Hit(
                        line_of(subquery.this),
                        "a subquery over all times, put beside rows with times of their own",
                    )
        yield from _stamped(model, query)


def whole_history(query: Query, source: "exp.Table | Scope | None") -> frozenset[str]:
    """The columns of a source that hold an aggregate over rows of all times."""
    if isinstance(source, exp.Table):
        model = query.model_of(source)
        return model.whole_history if model is not None else frozenset()
    if not isinstance(source, Scope) or not isinstance(source.expression, exp.Select):
        return frozenset()
    key = ("whole_history", id(source))
    if key not in query.memo:
        query.memo[key] = frozenset()  # of a recursive CTE
        query.memo[key] = _whole_history(query, source, source.expression)
    known: frozenset[str] = query.memo[key]
    return known


def _whole_history(query: Query, source: Scope, select: exp.Select) -> frozenset[str]:
    found = set()
    timeless = _is_timeless(query, source, select)
    for projection in select.selects:
        inner = projection.unalias()
        if timeless and _aggregates(inner) and not _is_max_time(query, inner, source):
            found.add(projection.alias_or_name.lower())
        for column in own_columns(inner):
            place = source.selected_sources.get(column.table)
            if place and column.name.lower() in whole_history(query, place[1]):
                found.add(projection.alias_or_name.lower())
    return frozenset(found)


def _is_timeless(query: Query, scope: Scope, select: exp.Select) -> bool:
    """Whether it makes one row of rows of all times."""
    if not any(_aggregates(projection.unalias()) for projection in select.selects):
        return False
    group = select.args.get("group")
    keys = list(group.expressions) if group else []
    if any(query.is_time(key, scope) for key in keys) or (group and (group.args.get("all") or not keys)):
        return False
    if any(_bounds_time(query, predicate, scope) for predicate in predicates(select)):
        return False
    return any(_has_times(query, source) for _, source in scope.selected_sources.values())


def _bounds_time(query: Query, predicate: exp.Expr, scope: Scope) -> bool:
    """A comparison of times between sources: an aggregate of each row's own past, or a matter of FS003."""
    if not isinstance(predicate, exp.LT | exp.LTE | exp.GT | exp.GTE | exp.Between | exp.Or | exp.EQ):
        return False
    tables = {column.table for column in own_columns(predicate) if query.is_time(column, scope)}
    return len(tables) > 1


def _aggregates(expression: exp.Expr) -> bool:
    for node in expression.walk(prune=lambda node: isinstance(node, exp.Window | exp.Query)):
        if isinstance(node, exp.AggFunc):
            return True
    return False


def _is_max_time(query: Query, expression: exp.Expr, scope: Scope) -> bool:
    functions = [node for node in expression.walk() if isinstance(node, exp.AggFunc)]
    return all(isinstance(node, exp.Max) and query.is_time(node.this, scope) for node in functions)


def _has_times(query: Query, source: "exp.Table | Scope") -> bool:
    if isinstance(source, exp.Table):
        model = query.model_of(source)
        if model is not None and model.columns:
            return any(map(model.is_time, model.columns))
        names = {column.name.lower() for column in query.tree.find_all(exp.Column)}
        return any(Model("").is_time(name) for name in names)
    if not isinstance(source, Scope):
        return False
    inner = source.selected_sources.values() if isinstance(source.expression, exp.Select) else []
    branches = source.set_operation_scopes if isinstance(source.expression, exp.SetOperation) else []
    return any(_has_times(query, one) for _, one in inner) or any(_has_times(query, one) for one in branches)


def _used(select: exp.Select, alias: str, values: frozenset[str]) -> str | None:
    """A column of it that the SELECT puts out."""
    for projection in select.selects:
        for column in own_columns(projection):
            if column.table.lower() == alias and column.name.lower() in values:
                return str(column.name)
    return None


def _beside_times(query: Query, scope: Scope, alias: str) -> bool:
    """Whether rows with times of their own stand beside it, and nothing compares it with them."""
    others = [name.lower() for name in scope.selected_sources if name.lower() != alias]
    times = {
        column.table.lower()
        for column in own_nodes(scope.expression, exp.Column)
        if column.table.lower() in others and query.is_time(column, scope)
    }
    compared = any(
        {alias} < {column.table.lower() for column in own_columns(predicate) if query.is_time(column, scope)}
        for predicate in (predicates(scope.expression) if isinstance(scope.expression, exp.Select) else [])
    )
    return bool(times) and not compared


def _scalars(select: exp.Select) -> Iterator[exp.Subquery]:
    for projection in select.selects:
        for node in projection.walk(prune=lambda node: isinstance(node, exp.Subquery)):
            if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select):
                yield node


def _outputs_time(query: Query, scope: Scope, select: exp.Select) -> bool:
    return any(query.is_time(projection, scope) for projection in select.selects)


def _stamped(model: Model, query: Query) -> Iterator[Hit]:
    """A feature view of one row per key, with a time that is neither max() (right) nor min() (FS007's)."""
    if not (model.is_feature and model.event_timestamp):
        return
    values = whole_history(query, query.root)
    for scope, projection in projections(query.root, model.event_timestamp):
        select = scope.expression
        if (
            not values
            or not isinstance(select, exp.Select)
            or scope.selected_sources.get("")
            or len(scope.selected_sources) > 1
        ):
            continue
        found = _defining(scope, projection)
        if not any(isinstance(node, exp.Max | exp.Min) for node in found.walk()):
            yield Hit(
                line_of(found),
                f"an aggregate over all times is stamped {found.sql()[:60]}; true only at their max()",
            )


def _defining(scope: Scope, projection: exp.Expr) -> exp.Expr:
    while isinstance(column := projection.unnest(), exp.Column):
        place = scope.selected_sources.get(column.table)
        inner = (
            next(projections(place[1], column.name.lower()), None)
            if place and isinstance(place[1], Scope)
            else None
        )
        if inner is None:
            break
        scope, projection = inner
    return projection
