"""Drift as a table for a person, or as JSON."""

from collections.abc import Sequence
from typing import Any

from sync.monitoring.drift import FeatureDrift, ViewDrift
from sync.registry.types import TIMES
from sync.warehouse.distribution import STABLE
from sync.words import counted

HEADER = ("feature", "psi", "limit", "null", "after", "mean", "after", "moved most", "")


def populations(found: ViewDrift) -> str:
    before, after = found.rows
    then = (
        f"{counted(before, 'entity', 'entities')} at"
        if found.redefined is None
        else f"{counted(before, 'row')} of"
    )
    line = f"{found.view}: {then} {found.before}, {counted(after, 'entity', 'entities')} at {found.after}"
    if not (before and after):
        return f"{line}: nothing to compare"
    return f"{line}; defined otherwise since" if found.redefined else line


def as_rows(views: Sequence[ViewDrift]) -> list[tuple[str, ...]]:
    return [_row(view.view, one) for view in views for one in view.features]


def summary(views: Sequence[ViewDrift]) -> str:
    features = [one for view in views for one in view.features]
    of = counted(len(features), "feature")
    return f"{sum(one.drifted for one in features):,} of {of} drifted"


def as_json(views: Sequence[ViewDrift]) -> dict[str, Any]:
    return {
        "views": [
            {
                "view": view.view,
                "before": view.before,
                "after": view.after,
                "rows": list(view.rows),
                "redefined": view.redefined,
                "drifted": view.drifted,
                "features": {one.feature.name: _as_json(one) for one in view.features},
            }
            for view in views
        ]
    }


def _as_json(one: FeatureDrift) -> dict[str, Any]:
    return {
        "population_stability_index": one.shift.psi,
        "noise": one.shift.noise,
        "limit": one.feature.drift,
        "drifted": one.drifted,
        "null_share": list(one.shift.nulls),
        "mean": list(one.shift.means),
        # Bins bear values.
        "bins": [] if one.feature.pii else [bin_._asdict() for bin_ in one.shift.bins],
    }


def _row(view: str, one: FeatureDrift) -> tuple[str, ...]:
    shift = one.shift
    return (
        f"{view}:{one.feature.name}",
        f"{shift.psi:.3f}",
        "-" if one.feature.drift is None else f"{one.feature.drift:g}",
        *(f"{share:.1%}" for share in shift.nulls),
        *("-" if mean is None else f"{mean:.4g}" for mean in shift.means),
        _moved(one),
        _word(one),
    )


def _moved(one: FeatureDrift) -> str:
    bin_ = one.shift.moved
    if bin_ is None or bin_.before == bin_.after:
        return ""
    name = "(personal)" if one.feature.pii else bin_.name
    days = " days old" if one.feature.type in TIMES and bin_.name != "NULL" else ""
    return f"{name}{days}: {bin_.before:.1%} → {bin_.after:.1%}"


def _word(one: FeatureDrift) -> str:
    if one.drifted:
        return "drifted"
    if one.shift.psi <= STABLE:
        return ""
    return "moved" if one.shift.psi > one.shift.noise else "too few rows to tell"
