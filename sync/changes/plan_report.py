"""A plan as lines for a person, as JSON, or as Markdown for a pull request."""

from collections import Counter
from typing import Any

from sync.changes.plan import Change, Plan

SIGNS = {"added": "+", "removed": "-", "type": "!", "computation": "~"}
WORDS = {
    "added": "added",
    "removed": "removed",
    "type": "changed in type",
    "computation": "changed in computation",
}


def as_text(plan: Plan) -> str:
    lines = [f"{SIGNS[change.kind]} {_sentence(change)}" for change in plan.changes]
    lines += [f"  {name}: its text only" for name in plan.text_only]
    if plan.services:
        lines.append("touched services: " + "; ".join(_service(plan, name) for name in plan.services))
    if plan.exposures:
        lines.append("touched exposures: " + ", ".join(plan.exposures))
    if plan.todo:
        lines += ["to do:", *(f"  {step}" for step in plan.todo)]
    return "\n".join([*lines, _summary(plan)])


def as_markdown(plan: Plan) -> str:
    lines = ["### fsync plan", "", _summary(plan)]
    if plan.changes:
        lines += ["", "| | Feature | Change |", "| --- | --- | --- |"]
        for change in plan.changes:
            kind = f"**{WORDS[change.kind]}**" if change.breaking else WORDS[change.kind]
            lines.append(f"| {kind} | `{change.name}` | {_cell(_detail(change))} |")
    if plan.text_only:
        lines += ["", "Text only: " + ", ".join(f"`{name}`" for name in plan.text_only)]
    if plan.services:
        lines += ["", "Services: " + ", ".join(f"`{name}`" for name in plan.services)]
    if plan.exposures:
        lines += ["", "Exposures: " + ", ".join(f"`{name}`" for name in plan.exposures)]
    if plan.todo:
        lines += [
            "",
            "To do:",
            "",
            *(f"1. `{step}`" if _command(step) else f"1. {step}" for step in plan.todo),
        ]
    return "\n".join(lines)


def as_json(plan: Plan) -> dict[str, Any]:
    changes = [change._asdict() | {"breaking": change.breaking} for change in plan.changes]
    return plan._asdict() | {
        "changes": changes,
        "breaking": plan.breaking,
        "moves_values": plan.moves_values,
    }


def _summary(plan: Plan) -> str:
    if not plan.changes:
        return "no feature changed"
    counts = Counter[str](change.kind for change in plan.changes)
    words = ", ".join(f"{counts[kind]} {word}" for kind, word in WORDS.items() if counts[kind])
    breaking = sum(change.breaking for change in plan.changes)
    return f"{words}; {breaking} breaking" if breaking else words


def _sentence(change: Change) -> str:
    return f"{change.name}: {WORDS[change.kind]}: {_detail(change)}"


def _detail(change: Change) -> str:
    if not change.breaks:
        return change.detail
    return f"{change.detail}, breaks {'; '.join(change.breaks)}"


def _service(plan: Plan, name: str) -> str:
    return f"{name} ({', '.join(plan.services[name])})"


def _command(step: str) -> bool:
    return step.startswith(("dbt ", "fsync "))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
