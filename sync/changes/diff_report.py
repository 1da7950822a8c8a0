"""A diff as lines for a person, as JSON, or as Markdown for a pull request."""

from typing import Any

from sync.changes.diff import Diff, Example, FeatureDiff
from sync.registry.views import DRIFT_LIMIT
from sync.warehouse.distribution import STABLE

HEADER = ("feature", "changed", "rate", "null before", "after", "mean before", "after", "psi", "")


def as_rows(diff: Diff) -> list[tuple[str, ...]]:
    both = diff.identical + diff.modified
    return [_row(name, found, both) for name, found in diff.features.items()]


def summary(diff: Diff) -> str:
    rows = ", ".join(
        f"{count:,} {word}"
        for count, word in (
            (diff.identical, "identical"),
            (diff.modified, "modified"),
            (diff.added, "added"),
            (diff.removed, "removed"),
        )
    )
    return f"{diff.before} to {diff.after}: rows {rows}"


def feature_changes(diff: Diff) -> list[str]:
    return [f"+ {name}" for name in diff.features_added] + [f"- {name}" for name in diff.features_removed]


def example_line(example: Example) -> str:
    keys = " ".join(f"{name}={value}" for name, value in example.keys.items())
    values = ", ".join(f"{name} {_shown(was)} → {_shown(now)}" for name, (was, now) in example.values.items())
    return f"{example.kind}: {keys} at {example.event_timestamp}" + (f": {values}" if values else "")


def as_markdown(diff: Diff) -> str:
    lines = ["### fsync diff", "", summary(diff), ""]
    lines += ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in as_rows(diff)]
    if feature_changes(diff):
        lines += ["", *(f"`{line}`  " for line in feature_changes(diff))]
    if diff.examples:
        lines += ["", "<details><summary>Examples</summary>", ""]
        lines += [f"- `{example_line(example)}`" for example in diff.examples]
        lines += ["", "</details>"]
    return "\n".join(lines)


def as_json(diff: Diff) -> dict[str, Any]:
    features = {
        name: {
            "changed": found.changed,
            "null_share": list(found.shift.nulls),
            "mean": list(found.shift.means),
            "population_stability_index": found.shift.psi,
        }
        for name, found in diff.features.items()
    }
    examples = [
        example._asdict() | {"event_timestamp": str(example.event_timestamp), "values": _pairs(example)}
        for example in diff.examples
    ]
    return diff._asdict() | {"differs": diff.differs, "features": features, "examples": examples}


def _pairs(example: Example) -> dict[str, list[Any]]:
    return {name: [_plain(was), _plain(now)] for name, (was, now) in example.values.items()}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _row(name: str, found: FeatureDiff, both: int) -> tuple[str, ...]:
    rate = f"{found.changed / both:.1%}" if both else "-"
    shift = found.shift
    means = [_shown(mean) for mean in shift.means]
    nulls = [f"{share:.1%}" for share in shift.nulls]
    word = "shifted" if shift.psi > DRIFT_LIMIT else ("moved" if shift.psi > STABLE else "")
    return (name, f"{found.changed:,}", rate, *nulls, *means, f"{shift.psi:.3f}", word)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
