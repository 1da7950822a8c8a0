"""Sets of columns by which no two rows of a query are alike, as far as its SQL and dbt's tests prove it."""

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from sync.sql.query import Query, conjuncts, find_source, window_of

Keys = frozenset[str]
# Functions of one column that keep different values different.
INJECTIVE = frozenset(["epoch_us", "epoch_ns", "unix_micros", "make_timestamp", "timestamp_micros"])


def covers(query: Query, scope: Scope, expressions: list[exp.Expr], *, before_grouping: bool = False) -> bool:
    """Whether rows of a SELECT that are alike in these expressions are the same row."""
    given = frozenset(_text(expression) for expression in expressions)
    select = scope.expression
    if not isinstance(select, exp.Select):
        return False
    keys = _joined(query, scope, select) if before_grouping else row_sets(query, scope, select)
    if any(key <= given for key in keys):
        return True
    # All columns there are: what is alike is the same.
    names = _all_columns(query, scope)
    return bool(names) and not before_grouping and names <= given


def row_sets(query: Query, scope: Scope, select: exp.Select) -> list[Keys]:
    """Of a SELECT's rows before QUALIFY and DISTINCT, in its own expressions."""
    group = select.args.get("group")
    if group is not None:
        if group.args.get("all"):
            return [frozenset(_text(one.unalias()) for one in select.selects if not one.find(exp.AggFunc))]
        return [frozenset(_text(key) for key in group.expressions)]
    if any(_is_aggregate(one) for one in select.selects):
        return [frozenset()]
    return _joined(query, scope, select)


def output_sets(query: Query, source: "exp.Table | Scope") -> list[Keys]:
    """Of a source's result, by the names of its columns."""
    if isinstance(source, exp.Table):
        model = query.model_of(source)
        return list(model.unique) if model is not None else []
    if not isinstance(source, Scope):
        return []
    key = ("unique", id(source))
    if key not in query.memo:
        query.memo[key] = []  # of a recursive CTE
        query.memo[key] = _output_sets(query, source)
    known: list[Keys] = query.memo[key]
    return known


def _output_sets(query: Query, source: Scope) -> list[Keys]:
    select = source.expression
    if not isinstance(select, exp.Select):
        names = frozenset(name.lower() for name in getattr(select, "named_selects", []))
        return [names] if isinstance(select, exp.Union) and select.args.get("distinct") else []
    limit = select.args.get("limit")
    if limit is not None and limit.sql().endswith(" 1"):
        return [frozenset()]
    keys = row_sets(query, source, select)
    for predicate in conjuncts(select.args["qualify"].this if select.args.get("qualify") else None):
        keys = keys + _first_rows(predicate)
    named: dict[str, str] = {}
    for projection in select.selects:
        named.setdefault(_text(projection.unalias()), projection.alias_or_name.lower())
    found = [frozenset(named[part] for part in key) for key in keys if all(part in named for part in key)]
    distinct = select.args.get("distinct")
    if distinct is not None:
        on = distinct.args.get("on")
        parts = [_text(part) for part in (on.expressions if on is not None else [])]
        found.append(frozenset(named.values()) if on is None else frozenset(named.get(p, p) for p in parts))
    return found


def _joined(query: Query, scope: Scope, select: exp.Select) -> list[Keys]:
    """The first source's keys, as long as each join finds one row at most."""
    sources = {name.lower(): source for name, (_, source) in scope.selected_sources.items()}
    first = select.args.get("from_")
    alias = first.this.alias_or_name.lower() if first is not None else ""
    if alias not in sources or select.args.get("laterals"):
        return []
    keys = [frozenset(f"{alias}.{name}" for name in key) for key in output_sets(query, sources[alias])]
    for join in select.args.get("joins") or []:
        other = join.this.alias_or_name.lower()
        if join.args.get("kind") in ("SEMI", "ANTI") or str(join.args.get("method")).upper() == "ASOF":
            continue
        equal = frozenset(
            side.name.lower()
            for predicate in conjuncts(join.args.get("on"))
            if isinstance(predicate, exp.EQ)
            for side in (predicate.this, predicate.expression)
            if isinstance(side, exp.Column) and side.table.lower() == other
        )
        theirs = output_sets(query, sources[other]) if other in sources else []
        if any(key <= equal for key in theirs) and join.args.get("side") not in ("RIGHT", "FULL"):
            continue
        both = [frozenset(f"{other}.{name}" for name in key) for key in theirs]
        keys = [mine | key for mine in keys for key in both]
    return keys


def _first_rows(predicate: exp.Expr) -> list[Keys]:
    """`row_number() over (partition by …) = 1`"""
    if not isinstance(predicate, exp.EQ) or predicate.expression.sql() != "1":
        return []
    window = predicate.this.unnest()
    if isinstance(window, exp.Window) and isinstance(window.this, exp.RowNumber):
        return [frozenset(_text(key) for key in window_of(window)[0])]
    return []


def _text(expression: exp.Expr) -> str:
    node = expression.unnest()
    while isinstance(node, exp.Func) and node.this is not None and not node.expressions:
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        if name not in INJECTIVE:
            break
        node = node.this.unnest()
    if isinstance(node, exp.Anonymous) and node.name.lower() in INJECTIVE and len(node.expressions) == 1:
        node = node.expressions[0].unnest()
    if isinstance(node, exp.Column):
        return f"{node.table.lower()}.{node.name.lower()}"
    return node.sql().lower()


def _is_aggregate(projection: exp.Expr) -> bool:
    return any(
        isinstance(node, exp.AggFunc)
        for node in projection.walk(prune=lambda node: isinstance(node, exp.Window | exp.Query))
    )


def _all_columns(query: Query, scope: Scope) -> Keys:
    if len(scope.selected_sources) != 1:
        return frozenset()
    alias = next(iter(scope.selected_sources)).lower()
    place = find_source(scope, alias)
    source = place[1] if place else None
    if isinstance(source, exp.Table):
        model = query.model_of(source)
        names = list(model.columns) if model is not None else []
    elif isinstance(source, Scope) and isinstance(source.expression, exp.Query):
        names = [name.lower() for name in source.expression.named_selects]
    else:
        names = []
    return frozenset() if "*" in names else frozenset(f"{alias}.{name}" for name in names)
