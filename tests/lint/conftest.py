"""A small world to lint SQL texts in: what the tables are that a case may read."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from sync.lint.finding import Finding
from sync.lint.run import lint
from sync.lint.source_lines import JINJA
from sync.sql.model import Model

CORPUS = Path(__file__).parent / "corpus"


def world() -> list[Model]:
    events = {
        "player_id": "varchar",
        "event_id": "bigint",
        "event_at": "timestamp",
        "ingested_at": "timestamp",
        "event_name": "varchar",
        "amount": "bigint",
    }
    return [
        Model("events", relation=("db", "main", "events"), columns=events, unique=[frozenset(["event_id"])]),
        Model(
            "countries",
            relation=("db", "main", "countries"),
            columns={"player_id": "varchar", "country": "varchar"},
        ),
        Model(
            "player_sessions",
            relation=("db", "main", "player_sessions"),
            columns={
                "player_id": "varchar",
                "event_timestamp": "timestamp",
                "created_timestamp": "timestamp",
                "sessions_7d": "bigint",
                "score": "double",
            },
            keys=("player_id",),
            event_timestamp="event_timestamp",
            created_timestamp="created_timestamp",
            is_feature=True,
            unique=[frozenset(["player_id", "event_timestamp", "created_timestamp"])],
        ),
        Model(
            "labels",
            relation=("db", "main", "labels"),
            columns={"player_id": "varchar", "event_timestamp": "timestamp", "churned": "boolean"},
            event_timestamp="event_timestamp",
            labels=frozenset(["churned"]),
            is_training=True,
        ),
        Model(
            "outcomes",
            relation=("db", "main", "outcomes"),
            columns={
                "player_id": "varchar",
                "event_at": "timestamp",
                "churned": "boolean",
                "level": "bigint",
            },
            labels=frozenset(["churned"]),
        ),
        Model(
            "people",
            relation=("db", "main", "people"),
            columns={
                "player_id": "varchar",
                "event_at": "timestamp",
                "email": "varchar",
                "level": "bigint",
            },
            personal=frozenset(["email"]),
        ),
        Model(
            "purchases",
            relation=("db", "main", "purchases"),
            columns={
                "player_id": "varchar",
                "event_timestamp": "timestamp",
                "amount": "bigint",
                "purchase_id": "bigint",
            },
            event_timestamp="event_timestamp",
            unique=[frozenset(["purchase_id"])],
        ),
    ]


@dataclass
class Case:
    """A SQL text of the corpus; `marked` are the lines that it ends in `-- !`."""

    code: str
    name: str
    wrong: bool
    sql: str
    dialect: str = "duckdb"
    role: str = "feature"

    @property
    def marked(self) -> list[int]:
        return [number for number, line in enumerate(self.sql.splitlines(), 1) if line.endswith("-- !")]

    @property
    def compiled(self) -> str:
        """Without its Jinja, as far as a case needs it."""
        return JINJA.sub(lambda tag: "x" if tag.group().startswith("{{") else "", self.sql)

    def lint(self) -> list[Finding]:
        model = Model(
            "case_view",
            file="case_view.sql",
            source=self.sql,
            sql=self.compiled,
            relation=("db", "main", "case_view"),
            keys=("player_id",),
            event_timestamp="event_timestamp" if self.role == "feature" else None,
            is_feature=self.role == "feature",
            feeds_feature=self.role == "upstream",
            is_training=self.role == "training",
            pii={"declared": False},
            unserved=frozenset(["unserved"]),
        )
        return list(lint([*world(), model], self.dialect, frozenset(["case_view"])).findings)


def read_cases() -> list[Case]:
    """A file per rule; `--- wrong: name [dialect] [role]` opens a case."""
    cases = []
    for path in sorted(CORPUS.glob("FS*.sql")):
        for text in path.read_text().split("\n--- ")[1:]:
            head, _, sql = text.partition("\n")
            kind, _, words = head.partition(": ")
            name, *options = words.split(" @")
            case = Case(path.stem, name, kind == "wrong", sql.strip() + "\n")
            for option in options:
                if option in ("bigquery", "duckdb"):
                    case.dialect = option
                else:
                    case.role = option
            cases.append(case)
    return cases


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    return read_cases()
