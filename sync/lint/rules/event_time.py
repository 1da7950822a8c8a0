from collections.abc import Callable, Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.lint.time_bounds import ADDS, DAY, SUBTRACTS, TRUNCATES, length, shift, unit_seconds
from sync.sql.model import Model
from sync.sql.query import Query, find_source, line_of, predicates, projections

Stamp = tuple[float, exp.Expr | None, str]
NEVER = float("-inf")
AS_IT_IS: Stamp = (0.0, None, "")
CHOICES = (exp.Coalesce, exp.Least, exp.Case, exp.If)


class EventTime(Rule):
    """A row's event timestamp is no earlier than what the row is made of.

    A day's aggregate is known when the day is over: `date_trunc('day', …)` needs the day added. `min()` of
    the inputs' times, a subtraction, or the last row's time stamp a value with an instant at which it was
    not there, and every join takes it from then on.

    ```sql wrong
    select player_id, date_trunc('day', event_at) as event_timestamp, count(*) as events
    from events
    group by all
    ```

    ```sql right
    select player_id, date_trunc('day', event_at) + interval 1 day as event_timestamp, count(*) as events
    from events
    group by all
    ```
    """

    code, title, severity = "FS007", "An event timestamp before its inputs", "warning"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not (model.is_feature and model.event_timestamp):
            return
        seen = set()
        for scope, projection in projections(query.root, model.event_timestamp):
            earlier, node, why = _projected(query, projection, scope, 0)
            if earlier < 0 and why not in seen:
                seen.add(why)
                own = node is not None and node.root() is query.tree
                yield Hit(
                    line_of(node if own and node is not None else projection),
                    f"{model.event_timestamp} {why}",
                )


def _projected(query: Query, projection: exp.Expr, scope: Scope, depth: int) -> Stamp:
    """Of a column that its SELECT may hold back: `where entered_at < left_at` makes `left_at` as late."""
    found = [_stamp(query, projection, scope, depth)]
    if found[0][0] < 0 and isinstance(scope.expression, exp.Select):
        text = projection.sql()
        for predicate in predicates(scope.expression):
            node = predicate.unnest()
            small, large = (
                (node.expression, node.this)
                if isinstance(node, exp.GT | exp.GTE)
                else (node.this, node.args.get("expression"))
            )
            if (
                isinstance(node, exp.LT | exp.LTE | exp.GT | exp.GTE)
                and large is not None
                and large.sql() == text
            ):
                found.append(_stamp(query, small, scope, depth + 1))
    return max(found, key=lambda stamp: stamp[0])


def _stamp(query: Query, expression: exp.Expr, scope: Scope, depth: int) -> Stamp:
    """Seconds by which it may lie before its latest input, where, and why."""
    node = expression.unnest()
    if depth > 60:
        return AS_IT_IS

    def inner(part: exp.Expr) -> Stamp:
        return _stamp(query, part, scope, depth + 1)

    if isinstance(node, exp.Column):
        return _column(query, node, scope, depth)
    if isinstance(node, exp.Add | exp.Sub):
        added, first = length(node.expression), length(node.this)
        if added is not None:
            return _moved(inner(node.this), added if isinstance(node, exp.Add) else -added, node)
        return AS_IT_IS if first is None else _moved(inner(node.expression), first, node)
    if isinstance(node, ADDS + SUBTRACTS):
        bare = node.copy()
        bare.set("this", exp.column("t"))
        return _moved(inner(node.this), shift(bare), node)
    if isinstance(node, TRUNCATES):
        size = unit_seconds(node.args.get("unit")) or DAY
        return _down(
            inner(node.this),
            size,
            node,
            f"is cut down to its {_unit(node)}, and what it stamps goes on; add one {_unit(node)}",
        )
    if isinstance(node, exp.Cast | exp.TryCast):
        if node.to.is_type("date") and not _is_date(query, node.this, scope):
            return _down(
                inner(node.this), DAY, node, "is cut down to its day, and what it stamps goes on; add one day"
            )
        return inner(node.this)
    if isinstance(node, exp.Min):
        return NEVER, node, "is the min() of its inputs' times; the row is complete at their max()"
    if isinstance(node, exp.Window):
        return _window(query, node, scope, depth)
    if isinstance(node, exp.Greatest):
        return max((inner(part) for part in [node.this, *node.expressions]), key=lambda stamp: stamp[0])
    if isinstance(node, CHOICES):
        return _choice(node, inner)
    if isinstance(node, exp.Max):
        return inner(node.this)
    if (
        isinstance(node, exp.Func)
        and len(list(node.find_all(exp.Column))) == 1
        and isinstance(node.this, exp.Expr)
    ):
        return inner(node.this)
    return AS_IT_IS


def _column(query: Query, column: exp.Column, scope: Scope, depth: int) -> Stamp:
    key = ("stamp", id(scope), column.table.lower(), column.name.lower())
    if key not in query.memo:
        query.memo[key] = AS_IT_IS  # of a recursive CTE
        query.memo[key] = _origin(query, column, scope, depth)
    stamp: Stamp = query.memo[key]
    return stamp


def _origin(query: Query, column: exp.Column, scope: Scope, depth: int) -> Stamp:
    place = find_source(scope, column.table.lower())
    if place is None:
        return AS_IT_IS
    source, name = place[1], column.name.lower()
    if isinstance(source, Scope):
        return _least(_projected(query, part, inner, depth + 1) for inner, part in projections(source, name))
    model = query.model_of(source)
    upstream = None if model is None or model.is_snapshot else query.upstream.get(model)
    if model is None or upstream is None:
        return AS_IT_IS
    earlier, _, why = _least(
        _projected(upstream, part, inner, depth + 1) for inner, part in projections(upstream.root, name)
    )
    return earlier, column, why if not why or " (in " in why else f"{why} (in {model.name})"


def _least(stamps: Iterator[Stamp]) -> Stamp:
    return min(stamps, key=lambda stamp: stamp[0], default=AS_IT_IS)


def _moved(stamp: Stamp, seconds: float, node: exp.Expr) -> Stamp:
    earlier = stamp[0] + seconds
    if stamp[0] >= 0 and seconds < 0:
        return earlier, node, "is moved back in time; the row was not known then"
    return (earlier, stamp[1], stamp[2]) if earlier < 0 else (earlier, None, "")


def _down(stamp: Stamp, size: float, node: exp.Expr, why: str) -> Stamp:
    return (stamp[0] - size, node, why) if stamp[0] > NEVER else stamp


def _window(query: Query, window: exp.Window, scope: Scope, depth: int) -> Stamp:
    function = window.this
    while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        function = function.this
    if isinstance(function, exp.Lag):
        return NEVER, window, "is that of an earlier row"
    if isinstance(function, exp.FirstValue):
        return NEVER, window, "is that of the first row; the row is complete at its own"
    return _stamp(query, function, scope, depth + 1)


def _choice(node: exp.Expr, inner: Callable[[exp.Expr], Stamp]) -> Stamp:
    if isinstance(node, exp.Case):
        parts = [branch.args["true"] for branch in node.args.get("ifs") or []]
        parts += [node.args["default"]] if node.args.get("default") else []
    elif isinstance(node, exp.If):
        parts = [part for part in (node.args.get("true"), node.args.get("false")) if part is not None]
    else:
        parts = [node.this, *node.expressions]
    return _least(inner(part) for part in parts)


def _is_date(query: Query, expression: exp.Expr, scope: Scope) -> bool:
    return any(
        model.columns.get(column, "").lower() == "date" for model, column in query.bases(expression, scope)
    )


def _unit(node: exp.Expr) -> str:
    unit = node.args.get("unit")
    if isinstance(unit, exp.WeekStart):
        return "week"
    return unit.name.lower() if unit is not None else "unit"
