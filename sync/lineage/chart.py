"""Lineage as a Mermaid chart."""

from collections.abc import Iterable

from sync.lineage.graph import Column, Lineage
from sync.lineage.report import consumers, redis_key

COLUMN, KEY, READER = '["{}"]', '[("{}")]', '(["{}"])'


def as_mermaid(lineage: Lineage, columns: Iterable[Column]) -> str:
    """What the columns are made of and go into, down to Redis and those who read."""
    chart = _Chart()
    for column in columns:
        chart.box(lineage.name(column))
        for one in [*lineage.ancestors(column), column]:
            for parent in lineage.named(lineage.values.get(one, ())):
                chart.arrow(lineage.name(parent), lineage.name(one))
        for one in [column, *lineage.reached(column)]:
            name = lineage.name(one)
            for child in lineage.named(lineage.children.get(one, ())):
                chart.arrow(name, lineage.name(child))
            if key := redis_key(lineage, one):
                chart.arrow(name, key, KEY)
            for reader in consumers(lineage, one):
                chart.arrow(name, reader, READER)
    return "\n".join(["flowchart LR", *chart.lines])


class _Chart:
    def __init__(self) -> None:
        # Each line once, in the order of their making.
        self.lines: dict[str, None] = {}
        self._boxes: dict[str, str] = {}

    def box(self, name: str, shape: str = COLUMN) -> str:
        if name not in self._boxes:
            self._boxes[name] = f"n{len(self._boxes)}"
            text = shape.format(name.replace('"', "#quot;"))
            self.lines[f"    {self._boxes[name]}{text}"] = None
        return self._boxes[name]

    def arrow(self, start: str, end: str, shape: str = COLUMN) -> None:
        self.lines[f"    {self.box(start)} --> {self.box(end, shape)}"] = None
