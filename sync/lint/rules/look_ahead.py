from collections.abc import Iterator

from sqlglot import exp

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.sql.model import Model
from sync.sql.query import Query, line_of, window_of

AGGREGATES = (exp.AggFunc,)
RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile, exp.PercentRank, exp.CumeDist)
VALUES = (exp.FirstValue, exp.LastValue, exp.NthValue)


class LookAhead(Rule):
    """A window over rows in time ends at the row itself.

    A frame that goes on (`following`), `lead()`, an aggregate over the whole partition (no `order by`) and
    an order from new to old let a row see what came after it. Legitimate where the rows are not in time, or
    all lie in the row's own past: say so in a waiver.

    ```sql wrong
    select player_id, event_timestamp, sum(amount) over (partition by player_id) as spent from purchases
    ```

    ```sql right
    select
        player_id,
        event_timestamp,
        sum(amount) over (partition by player_id order by event_timestamp) as spent
    from purchases
    ```
    """

    code, title, severity = "FS002", "A window that looks ahead", "warning"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not model.under_watch:
            return
        for scope, select in query.selects():
            for window in select.find_all(exp.Window):
                if window.find_ancestor(exp.Select) is not select or window.arg_key == "windows":
                    continue
                function = _function(window)
                partition, order, frame = window_of(window)
                if not isinstance(function, exp.Func):
                    continue
                fault = _fault(function, frame)
                if (
                    fault is None
                    and order
                    and _newest_first(order[0])
                    and query.is_time(order[0].this, scope)
                ):
                    fault = (
                        None
                        if isinstance(function, RANKS)
                        else "goes from new to old: it sees what came later"
                    )
                if fault is None and not order and isinstance(function, AGGREGATES) and not _ranked(function):
                    in_time = any(query.is_time(key, scope) for key in partition)
                    fault = (
                        None
                        if in_time
                        else "takes its whole partition, what comes later too; order it by time"
                    )
                if fault:
                    yield Hit(line_of(window.this), f"{function.sql_name().lower()} {fault}")


def _function(window: exp.Window) -> exp.Expr:
    node = window.this
    while isinstance(node, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        node = node.this
    return node  # type: ignore[no-any-return]


def _ranked(function: exp.Expr) -> bool:
    return isinstance(function, (*RANKS, *VALUES, exp.Lag, exp.Lead))


def _fault(function: exp.Expr, frame: exp.WindowSpec | None) -> str | None:
    offset = function.args.get("offset")
    behind = offset is not None and offset.sql().startswith("-")
    if isinstance(function, exp.Lead) and not behind and not (offset is not None and offset.sql() == "0"):
        return "reads a later row"
    if isinstance(function, exp.Lag) and offset is not None and behind:
        return f"with offset {offset.sql()} reads a later row"
    if isinstance(function, (*RANKS, exp.Lag, exp.Lead)) or frame is None:
        return None
    for side, kind in (("end", "end_side"), ("start", "start_side")):
        if str(frame.args.get(kind) or "").upper() == "FOLLOWING":
            bound = frame.args.get(side)
            text = bound if isinstance(bound, str) else bound.sql() if bound is not None else ""
            if text not in ("0", "INTERVAL '0' SECONDS"):
                return f"has a frame that ends {text.lower()} following: it sees later rows"
    return None


def _newest_first(key: exp.Ordered) -> bool:
    return bool(key.args.get("desc"))
