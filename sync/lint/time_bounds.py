"""Whether a predicate keeps one source's time at or before another's, and how expressions shift a time."""

from collections.abc import Callable
from typing import Literal

from sqlglot import exp

DAY = 86_400
SECONDS = {
    "MICROSECOND": 1e-6,
    "MILLISECOND": 1e-3,
    "SECOND": 1,
    "MINUTE": 60,
    "HOUR": 3600,
    "DAY": DAY,
    "WEEK": 7 * DAY,
    "ISOWEEK": 7 * DAY,
    "MONTH": 31 * DAY,
    "QUARTER": 92 * DAY,
    "YEAR": 366 * DAY,
    "ISOYEAR": 366 * DAY,
}
ADDS = (exp.DateAdd, exp.TimestampAdd, exp.DatetimeAdd, exp.TsOrDsAdd)
SUBTRACTS = (exp.DateSub, exp.TimestampSub, exp.DatetimeSub)
TRUNCATES = (exp.DateTrunc, exp.TimestampTrunc, exp.DatetimeTrunc)
INTERVALS = {
    exp.ToDays: "DAY",
}

# `late`: an upper bound in the future. `other`: both times are compared, in a way that is not understood.
Bound = Literal["upper", "late", "lower", "equal", "other"]
Touches = Callable[[exp.Expr], tuple[bool, bool]]


def unit_seconds(unit: exp.Expr | str | None) -> float | None:
    if unit is None:
        return None
    if isinstance(unit, exp.WeekStart):
        return SECONDS["WEEK"]
    name = (unit if isinstance(unit, str) else unit.name or unit.sql()).upper()
    return SECONDS.get(name) or SECONDS.get(name.removesuffix("S"))


def length(interval: exp.Expr) -> float | None:
    """Seconds of an interval that is written out, `interval 7 day`, `to_days(7)`, `7 * interval 1 day`."""
    interval = interval.unnest()
    if isinstance(interval, exp.Interval):
        unit = unit_seconds(interval.args.get("unit"))
        return _times(interval.this, unit)
    for kind, name in INTERVALS.items():
        if isinstance(interval, kind):
            return _times(interval.this, SECONDS[name])
    if (
        isinstance(interval, exp.Anonymous)
        and interval.name.lower().startswith("to_")
        and interval.expressions
    ):
        return _times(interval.expressions[0], unit_seconds(interval.name[3:]))
    if isinstance(interval, exp.Mul):
        for number, other in ((interval.this, interval.expression), (interval.expression, interval.this)):
            seconds = length(other)
            if seconds is not None:
                return _times(number, seconds)
    return None


def _times(number: exp.Expr | None, unit: float | None) -> float | None:
    if number is None or unit is None:
        return None
    text = number.unnest().sql().replace(" ", "").strip("'")
    try:
        return float(text) * unit
    except ValueError:
        words = (number.name or "").split()
        if len(words) == 2:
            seconds = unit_seconds(words[1])
            return None if seconds is None else _times(exp.Literal.string(words[0]), seconds)
        return None


def shift(expression: exp.Expr) -> float:
    """Seconds that written-out intervals add to (or take from) the time in it."""
    node = expression.unnest()
    if isinstance(node, exp.Add):
        added = length(node.expression)
        return (
            shift(node.this) + added
            if added is not None
            else shift(node.expression) + (length(node.this) or 0)
        )
    if isinstance(node, exp.Sub):
        return shift(node.this) - (length(node.expression) or 0)
    if isinstance(node, ADDS + SUBTRACTS):
        step = _times(node.expression, unit_seconds(node.args.get("unit")))
        step = length(node.expression) if step is None else step
        return shift(node.this) + (step or 0) * (1 if isinstance(node, ADDS) else -1)
    if isinstance(node, exp.Cast):
        return shift(node.this)
    return 0.0


def bound(predicate: exp.Expr, touches: Touches, is_null_check: Callable[[exp.Expr], bool]) -> Bound | None:
    """How a predicate bounds the time of a row looked up by the time of the row that looks.

    `touches` says whether the looking row's time, and whether the looked-up row's, is in an expression.
    """
    node = predicate.unnest()
    if isinstance(node, exp.Not):
        turned = _turned(node.this.unnest())
        return bound(turned, touches, is_null_check) if turned is not None else None
    if isinstance(node, exp.Or):
        sides = [side.unnest() for side in node.flatten()]
        bounds = [bound(side, touches, is_null_check) for side in sides if not is_null_check(side)]
        if not bounds or None in bounds:
            return None
        return bounds[0] if len(set(bounds)) == 1 else "other"
    if isinstance(node, exp.And):
        found = [each for each in (bound(side, touches, is_null_check) for side in node.flatten()) if each]
        return best(found)
    if isinstance(node, exp.Between):
        low = bound(
            exp.LTE(this=node.args["low"].copy(), expression=node.this.copy()), touches, is_null_check
        )
        high = bound(
            exp.LTE(this=node.this.copy(), expression=node.args["high"].copy()), touches, is_null_check
        )
        return best([each for each in (low, high) if each])
    return _comparison(node, touches)


def best(bounds: "list[Bound]") -> Bound | None:
    kinds: tuple[Bound, ...] = ("upper", "equal", "other", "late", "lower")
    for kind in kinds:
        if kind in bounds:
            return kind
    return None


def _comparison(node: exp.Expr, touches: Touches) -> Bound | None:
    looking, found = touches(node)
    if not (looking and found):
        return None
    if isinstance(node, exp.GT | exp.GTE):
        small, large = node.expression, node.this
    elif isinstance(node, exp.LT | exp.LTE):
        small, large = node.this, node.expression
    elif isinstance(node, exp.EQ | exp.NullSafeEQ):
        one, other = touches(node.this), touches(node.expression)
        return "other" if one == other or all(one) or all(other) else "equal"
    else:
        return "other"
    sides = touches(small), touches(large)
    if sides == ((False, True), (True, False)):
        return "late" if shift(large) - shift(small) > 0 else "upper"
    if sides == ((True, False), (False, True)):
        return "lower"
    return "other"


def _turned(node: exp.Expr) -> exp.Expr | None:
    turned: dict[type[exp.Expr], type[exp.Binary]] = {
        exp.LT: exp.GTE,
        exp.LTE: exp.GT,
        exp.GT: exp.LTE,
        exp.GTE: exp.LT,
    }
    kind = turned.get(type(node))
    return kind(this=node.this.copy(), expression=node.expression.copy()) if kind else None
