"""What is known of a model: its SQL, its columns, its times, its keys, and what it feeds."""

import re
from dataclasses import dataclass, field

TIMES = re.compile(
    r"(^|_)(at|ts|time|timestamp|date|datetime|day|week|month|hour|minute|instant|start|end|until|from)$"
)
Relation = tuple[str, ...]


@dataclass(eq=False)
class Model:
    """A model, snapshot, seed or source. `sql` is what dbt compiled; None of a seed or source."""

    name: str
    file: str = ""
    source: str = ""
    sql: str | None = None
    relation: Relation = ()
    columns: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    event_timestamp: str | None = None
    created_timestamp: str | None = None
    labels: frozenset[str] = frozenset()
    # Whether columns are personal data by their YAML; and which are, by it or by what they are made of.
    pii: dict[str, bool] = field(default_factory=dict)
    personal: frozenset[str] = frozenset()
    # Of columns that are made of personal data, of which.
    personal_parts: dict[str, list[str]] = field(default_factory=dict)
    # Columns that are no features by their YAML.
    unserved: frozenset[str] = frozenset()
    unique: list[frozenset[str]] = field(default_factory=list)
    is_feature: bool = False
    feeds_feature: bool = False
    is_training: bool = False
    is_snapshot: bool = False
    # Columns that hold an aggregate over rows of all times.
    whole_history: frozenset[str] = frozenset()

    @property
    def times(self) -> frozenset[str]:
        """The columns that order its rows in time."""
        return frozenset(name for name in (self.event_timestamp, self.created_timestamp) if name)

    @property
    def under_watch(self) -> bool:
        return self.is_feature or self.feeds_feature

    def is_time(self, column: str) -> bool:
        kind = self.columns.get(column, "")
        if kind:
            return kind.split("(")[0].lower().startswith(("timestamp", "date"))
        return bool(TIMES.search(column))


class Tables:
    """Models by the names that SQL reads them under."""

    def __init__(self, models: "list[Model]") -> None:
        self._by_relation = {model.relation: model for model in models if model.relation}
        self._by_name: dict[str, Model | None] = {}
        for model in models:
            name = model.relation[-1] if model.relation else model.name.lower()
            self._by_name[name] = None if name in self._by_name else model

    def find(self, relation: Relation) -> Model | None:
        if relation in self._by_relation:
            return self._by_relation[relation]
        # A table function has no name at all.
        return self._by_name.get(relation[0].removeprefix("__dbt__cte__")) if len(relation) == 1 else None
