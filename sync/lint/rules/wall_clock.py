import re
from collections.abc import Iterator

from sqlglot import Dialect, exp
from sqlglot.tokenizer_core import TokenType

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.sql.model import Model
from sync.sql.query import Query, line_of

CLOCKS = (
    exp.CurrentTimestamp,
    exp.CurrentDate,
    exp.CurrentDatetime,
    exp.CurrentTime,
    exp.Localtimestamp,
    exp.Localtime,
)
NAMES = frozenset(
    [
        "now",
        "today",
        "get_current_timestamp",
        "get_current_time",
        "current_timestamp",
        "current_date",
        "current_datetime",
        "current_time",
        "localtimestamp",
        "localtime",
        "current_localtimestamp",
        "current_localtime",
        "transaction_timestamp",
        "statement_timestamp",
        "clock_timestamp",
        "sysdate",
        "systimestamp",
        "getdate",
        "getutcdate",
        "sysutcdatetime",
    ]
)
# In Jinja, the clock of the run leaves a literal behind.
JINJA = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
RUN = re.compile(r"\brun_started_at\b|\bmodules\.datetime\b[\w.]*\.(?:now|utcnow|today)\b")


class WallClock(Rule):
    """A feature, or a model that one is made of, may not read the clock.

    With the clock in it, a view built today says something else of the past than it did then, and a
    backfill stamps old rows with values of now. Take the time from the data: the watermark, the row's own
    timestamp, the ingestion time. The run's clock in Jinja (`run_started_at`,
    `modules.datetime.datetime.now()`) counts too.

    ```sql wrong
    select player_id, event_at as event_timestamp, date_diff('day', signed_up_at, now()) as age_days
    from players
    ```

    ```sql right
    select player_id, event_at as event_timestamp, date_diff('day', signed_up_at, event_at) as age_days
    from players
    ```
    """

    code, title, severity = "FS001", "The wall clock in a feature", "error"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not model.under_watch:
            return
        lines = _clock_lines(query.sql, query.dialect)
        for node in query.tree.walk():
            if isinstance(node, CLOCKS) or (isinstance(node, exp.Anonymous) and node.name.lower() in NAMES):
                around = line_of(node)
                line = next((number for number in lines if number >= around), around)
                if line in lines:
                    lines.remove(line)
                name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
                yield Hit(line, f"{name} is the clock of the run; take the time from the data")
        for match in JINJA.finditer(model.source):
            run = None if match.group().startswith("{#") else RUN.search(match.group())
            if run:
                line = model.source.count("\n", 0, match.start() + run.start()) + 1
                yield Hit(line, f"{run.group()} is the clock of the run; take the time from the data", True)


def _clock_lines(sql: str, dialect: str) -> list[int]:
    """sqlglot does not say where `current_timestamp` stood."""
    return [
        token.line
        for token in Dialect.get_or_raise(dialect).tokenize(sql)
        if token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER) and token.text.lower() in NAMES
    ]
