from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.lint.time_bounds import Bound, best, bound
from sync.sql.model import Model
from sync.sql.query import Query, conjuncts, line_of, own_columns, own_nodes, predicates, projections

ROW_IDS = frozenset(["rowid", "_row_id", "row_id", "file_row_number"])


class Side(NamedTuple):
    """A source of a join, under its alias."""

    scope: Scope
    alias: str
    source: "exp.Table | Scope"


class PointInTime(Rule):
    """A join that looks a feature up takes nothing from after the row's own instant.

    Joined on keys alone, or with a lower bound only, every row gets values that were not there yet: of its
    future. An upper bound counts if every row must fulfil it (and-ed, in ON or WHERE, also further up or
    inside a subquery). One that reaches beyond the row's instant (`<= labels.event_timestamp + interval 1
    day`) is none. The macro `point_in_time_join` has it right, and what was known besides. The same holds
    for joins of other models with an `event_timestamp`; there any comparison of the times will do.

    ```sql wrong
    select labels.player_id, labels.event_timestamp, player_sessions.sessions_last_7d
    from labels
    left join player_sessions on labels.player_id = player_sessions.player_id
    ```

    ```sql right
    select labels.player_id, labels.event_timestamp, player_sessions.sessions_last_7d
    from labels
    asof left join player_sessions
        on labels.player_id = player_sessions.player_id
            and labels.event_timestamp >= player_sessions.event_timestamp
    ```
    """

    code, title, severity = "FS003", "A point-in-time join without an upper bound", "error"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        del model
        for looking, found, view in lookups(query):
            method = _method(found)
            kind = _bound(query, looking, found, view)
            if method == "ASOF" and kind not in ("lower", "late"):
                continue
            if kind == "lower" and _keeps_time(query, found, view):
                continue
            symmetrical = not view.is_feature or (_is_view(query, looking) and kind is not None)
            if kind in ("upper", "equal", "other") or (symmetrical and kind is not None):
                continue
            if kind is None and _guarded(query, looking, found, view):
                continue
            what = {
                None: "without an upper bound on time",
                "lower": "with a lower bound on time only",
                "late": "up to a time after the row's own",
            }[kind]
            first = found.scope is looking.scope and isinstance(_node(found).parent, exp.From)
            joined = looking if first else found
            yield Hit(
                line_of(_node(joined)),
                f"{view.name} is joined {what}; add `{found.alias or view.name}.{view.event_timestamp} <=` "
                "the row's timestamp, or use point_in_time_join",
            )


def lookups(query: Query) -> Iterator[tuple[Side, Side, Model]]:
    """Joins on keys: the source with an instant, the one that is looked up, and the model it is rows of."""
    for scope, select in query.selects():
        here = [Side(scope, name.lower(), source) for name, (_, source) in scope.selected_sources.items()]
        around = _around(scope)
        done = set()
        for found in here:
            for view in _linear(query, found.source):
                for looking in [*here, *around]:
                    if (
                        looking is found
                        or looking.alias == found.alias
                        or (looking.alias, found.alias) in done
                    ):
                        continue
                    if not _on_keys(query, select, looking, found, view) or not (
                        _has_instant(query, looking, view) or _stamps(query, select, looking, found, view)
                    ):
                        continue
                    if _is_view(query, looking) and not view.is_feature:
                        continue
                    done |= {(looking.alias, found.alias), (found.alias, looking.alias)}
                    yield looking, found, view
                    break


def _around(scope: Scope) -> list[Side]:
    sides: list[Side] = []
    inner, outer = scope, scope.parent
    while outer is not None and not inner.is_cte:
        if isinstance(outer.expression, exp.Select):
            sides += [
                Side(outer, name.lower(), source)
                for name, (_, source) in outer.selected_sources.items()
                if source is not inner
            ]
        inner, outer = outer, outer.parent
    return sides


def _linear(query: Query, source: "exp.Table | Scope") -> list[Model]:
    """The models with an event time that a source is rows of, if it is no join itself."""
    if isinstance(source, exp.Table):
        model = query.model_of(source)
        return [model] if model is not None and model.event_timestamp else []
    if not isinstance(source, Scope):
        return []
    if isinstance(source.expression, exp.SetOperation):
        return []
    selected = list(source.selected_sources.values())
    if len(selected) != 1 or source.expression.args.get("laterals") or _has_constant_cut(query, source):
        return []
    return _linear(query, selected[0][1])


def _has_constant_cut(query: Query, scope: Scope) -> bool:
    """`event_timestamp < '2026-01-01'`, or a watermark: whether that is early enough cannot be seen."""
    where = scope.expression.args.get("where")
    for predicate in conjuncts(where.this if where is not None else None):
        node = predicate.unnest()
        if isinstance(node, exp.LT | exp.LTE):
            small, large = node.this, node.expression
        elif isinstance(node, exp.GT | exp.GTE):
            small, large = node.expression, node.this
        elif isinstance(node, exp.Between):
            small, large = node.this, node.args["high"]
        elif isinstance(node, exp.EQ):
            small, large = node.this, node.expression
        else:
            continue
        if (
            query.is_time(small, scope)
            and any(True for _ in own_columns(small))
            and not any(True for _ in own_columns(large))
        ):
            return True
    return False


def _on_keys(query: Query, select: exp.Select, looking: Side, found: Side, view: Model) -> bool:
    for predicate in predicates(select):
        node = predicate.unnest()
        if not isinstance(node, exp.EQ | exp.NullSafeEQ):
            continue
        for one, other in ((node.this, node.expression), (node.expression, node.this)):
            if _sources(one, found.scope) == {found.alias} and _sources(other, found.scope) == {
                looking.alias
            }:
                names = {step.column for step in query.steps(one, found.scope) if step.model is view}
                keys = set(view.keys) if view.keys else names - view.times - ROW_IDS
                if names & keys:
                    return True
    return False


def _sources(expression: exp.Expr, scope: Scope) -> set[str]:
    del scope
    return {column.table.lower() for column in own_columns(expression)}


def _has_instant(query: Query, side: Side, view: Model) -> bool:
    """Whether its rows are of an instant each: an event time, or a label."""
    if isinstance(side.source, exp.Table):
        model = query.model_of(side.source)
        if model is None:
            return _reads_instant(side)
        return bool(model.event_timestamp or model.labels) or (
            view.is_feature and model.is_training and any(map(model.is_time, model.columns))
        )
    expression = side.source.expression
    if not isinstance(expression, exp.Query):
        return False
    for name in expression.named_selects:
        if name.lower() == "event_timestamp":
            return True
        for scope, projection in projections(side.source, name.lower()):
            if not isinstance(projection.unnest(), exp.Column):
                continue
            for model, column in query.bases(projection, scope):
                if column == model.event_timestamp or column in model.labels:
                    return True
    return False


def _keeps_time(query: Query, found: Side, view: Model) -> bool:
    """Whether the rows stay stamped with the view's own time: then it is the view that looks up the other."""
    for projection in found.scope.expression.args.get("expressions") or []:
        if projection.alias_or_name.lower() == "event_timestamp":
            aliases = {column.table.lower() for column in own_columns(projection)}
            return aliases == {found.alias} and view in {
                model for model, _ in query.bases(projection, found.scope)
            }
    return False


def _stamps(query: Query, select: exp.Select, looking: Side, found: Side, view: Model) -> bool:
    """Whether the SELECT puts out a time of the one side and, of a feature view, none of the other."""
    if not view.is_feature or looking.scope is not found.scope:
        return False
    times: set[str] = set()
    for projection in select.selects:
        for column in own_columns(projection):
            if query.is_time(column, looking.scope):
                times.add(column.table.lower())
    return looking.alias in times and found.alias not in times


def _reads_instant(side: Side) -> bool:
    return any(
        column.name.lower() == "event_timestamp" and column.table.lower() == side.alias
        for column in side.scope.expression.find_all(exp.Column)
    )


def _is_view(query: Query, side: Side) -> bool:
    return any(model.is_feature for model in _linear(query, side.source))


def _bound(query: Query, looking: Side, found: Side, view: Model) -> Bound | None:
    """The best that the join itself, or whatever reads its rows, says of the two times."""
    bounds: list[Bound] = []
    for scope, select in query.selects():
        for predicate in predicates(select):
            if scope is found.scope or _reads(query, predicate, scope, found.scope):
                each = _classify(query, predicate, scope, looking, found, view)
                if each:
                    bounds.append(each)
    return best(bounds)


def _reads(query: Query, predicate: exp.Expr, scope: Scope, inner: Scope) -> bool:
    return any(step.scope == id(inner) for step in query.steps(predicate, scope))


def _classify(
    query: Query, predicate: exp.Expr, scope: Scope, looking: Side, found: Side, view: Model
) -> Bound | None:
    def touches(expression: exp.Expr) -> tuple[bool, bool]:
        mine = theirs = False
        for column in own_columns(expression):
            steps = query.steps(column, scope)
            places = {(step.scope, step.alias) for step in steps}
            times = any(step.model.is_time(step.column) for step in steps if step.model is not None)
            if (id(found.scope), found.alias) in places:
                theirs = theirs or any(step.model is view and step.column in view.times for step in steps)
            elif (id(looking.scope), looking.alias) in places:
                mine = mine or times or Model("").is_time(column.name.lower())
        return mine, theirs

    def is_null_check(expression: exp.Expr) -> bool:
        return isinstance(expression, exp.Is) and isinstance(expression.expression, exp.Null)

    return bound(predicate, touches, is_null_check)


def _guarded(query: Query, looking: Side, found: Side, view: Model) -> bool:
    """Whether each value that is taken stands in `case when <bound>` or in `filter (where <bound>)`."""
    select = found.scope.expression
    assert isinstance(select, exp.Select)
    guards = []
    for node in own_nodes(select, exp.If, exp.Filter):
        condition = node.this if isinstance(node, exp.If) else node.expression.this
        if _classify(query, condition, found.scope, looking, found, view) in ("upper", "equal", "other"):
            guards.append(node)
    if not guards:
        return False
    for projection in select.selects:
        for column in own_columns(projection):
            inside = any(column is inner for guard in guards for inner in guard.walk())
            if column.table.lower() == found.alias and not inside:
                return False
    return True


def _node(side: Side) -> exp.Expr:
    for name, (node, _) in side.scope.selected_sources.items():
        if name.lower() == side.alias:
            return node
    return side.scope.expression


def _method(side: Side) -> str:
    join = _node(side).find_ancestor(exp.Join)
    inside = join is not None and join.parent is side.scope.expression
    return str(join.args.get("method") or "").upper() if inside and join is not None else ""
