from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.lint.uniqueness import covers
from sync.sql.model import Model
from sync.sql.query import Query, line_of, own_nodes, window_of

ORDERED = (exp.RowNumber, exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead, exp.Ntile)
PICKS = (exp.First, exp.Last, exp.AnyValue, exp.ArrayAgg, exp.GroupConcat)


class ArbitraryOrder(Rule):
    """Where the order of rows decides a value, the order is total.

    `row_number()`, `first`, `last`, `lag`, `array_agg`, `string_agg`, `any_value`, a frame of ROWS and
    LIMIT choose among ties as the engine likes, another time perhaps otherwise. An order is total when,
    with the partition, it covers a key: of a GROUP BY, of a `row_number() = 1` before, or of a dbt test for
    uniqueness.

    ```sql wrong
    select player_id, event_at from events
    qualify row_number() over (partition by player_id order by event_at desc) = 1
    ```

    ```sql right
    select player_id, event_at from events
    qualify row_number() over (partition by player_id order by event_at desc, event_id) = 1
    ```
    """

    code, title, severity = "FS008", "A value that hangs on an arbitrary order", "warning"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not model.under_watch:
            return
        for scope, select in query.selects():
            seen: set[str] = set()
            for window in own_nodes(select, exp.Window):
                name = _hangs_on_order(window)
                partition, order, _ = window_of(window)
                if name is None or covers(query, scope, [*partition, *(key.this for key in order)]):
                    continue
                named = window.args.get("alias")
                if named is None or named.name not in seen:
                    seen |= {named.name} if named is not None else set()
                    yield Hit(line_of(window.this), f"{name} hangs on the order of ties; {_advice(order)}")
            yield from _aggregates(query, scope, select)
        yield from _limits(query)


def _hangs_on_order(window: exp.Window) -> str | None:
    function = window.this
    while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        function = function.this
    if not isinstance(function, exp.Func):
        return None
    name = function.sql_name().lower()
    if isinstance(function, ORDERED + PICKS):
        return name
    _, order, frame = window_of(window)
    whole = not order and frame is None
    if frame is not None and str(frame.args.get("kind") or "").upper() == "ROWS" and not whole:
        sides = [str(frame.args.get(side) or "").upper() for side in ("start", "end")]
        return None if sides == ["UNBOUNDED", "UNBOUNDED"] else f"{name} over a frame of ROWS"
    return None


def _advice(order: list[exp.Ordered]) -> str:
    return "add columns of a key to its order by" if order else "give it an order by that covers a key"


def _aggregates(query: Query, scope: Scope, select: exp.Select) -> Iterator[Hit]:
    group = select.args.get("group")
    keys = list(group.expressions) if group else []
    for node in own_nodes(select, *PICKS, exp.Anonymous):
        if isinstance(node, exp.Anonymous) and node.name.lower() not in ("arbitrary", "listagg"):
            continue
        if (
            node.find_ancestor(exp.Window)
            and node.find_ancestor(exp.Window).find_ancestor(exp.Select) is select
        ):
            continue
        ordered = node.find(exp.Order)
        within = node.find_ancestor(exp.WithinGroup)
        ordered = ordered or (within.find(exp.Order) if within is not None else None)
        order = [key.this for key in ordered.expressions] if ordered else []
        value = node.this
        while isinstance(value, exp.Order | exp.Limit | exp.Distinct):
            value = value.expressions[0] if isinstance(value, exp.Distinct) else value.this
        if isinstance(value, exp.Expr) and any(value.sql() == key.sql() for key in order + keys):
            continue
        if covers(query, scope, [*keys, *order], before_grouping=True):
            continue
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        yield Hit(line_of(node), f"{name} takes values in an arbitrary order; {_advice([])}")


def _limits(query: Query) -> Iterator[Hit]:
    for scope in query.scopes:
        limit = scope.expression.args.get("limit")
        if not isinstance(limit, exp.Limit | exp.Fetch) or limit.sql().endswith(" 0"):
            continue
        order = scope.expression.args.get("order")
        if order is None and _of_one_row(scope):
            continue
        if order is None:
            yield Hit(line_of(scope.expression), "limit without order by takes whichever rows come first")
        elif isinstance(scope.expression, exp.Select) and not covers(
            query, scope, [key.this for key in order.expressions]
        ):
            yield Hit(
                line_of(order), "limit hangs on the order of ties; add columns of a key to its order by"
            )


def _of_one_row(scope: Scope) -> bool:
    """Whether it reads nothing but the elements of an array."""
    from_ = scope.expression.args.get("from_")
    return from_ is not None and isinstance(from_.this, exp.Unnest) and not scope.expression.args.get("joins")
