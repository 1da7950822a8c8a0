"""Waivers: with a reason, on the line or above it, in the model or in a macro; and what is wrong with one."""

import pytest

from sync.lint.finding import Finding
from sync.lint.run import lint
from sync.sql.model import Model
from tests.lint.conftest import world

LEAD = "    lead(amount) over (partition by player_id order by event_at, event_id) as next_amount"
HEAD = "select\n    player_id,\n    event_at as event_timestamp,\n"
REST = "\nfrom events\n"


def findings(source: str, compiled: str | None = None) -> list[Finding]:
    sql = source if compiled is None else compiled
    model = Model(
        "view", file="view.sql", source=source, sql=sql, event_timestamp="event_timestamp", is_feature=True
    )
    return list(lint([*world(), model], "duckdb", frozenset(["view"])).findings)


def codes(source: str, compiled: str | None = None) -> list[tuple[str, int]]:
    return [(finding.code, finding.line) for finding in findings(source, compiled)]


def test_without_a_waiver() -> None:
    assert codes(f"{HEAD}{LEAD}{REST}") == [("FS002", 4)]


@pytest.mark.parametrize(
    "source",
    [
        f"{HEAD}    -- fsync: allow FS002 because it is a label\n{LEAD}{REST}",
        f"{HEAD}{LEAD} -- fsync: allow FS002 because it is a label{REST}",
        f"{HEAD}    -- fsync: allow FS002 because it is a label\n    -- and more words\n\n{LEAD}{REST}",
        f"{HEAD}    /* fsync: allow FS002 because it is a label */\n{LEAD}{REST}",
    ],
)
def test_a_waiver_on_the_line_or_above(source: str) -> None:
    assert codes(source) == []


def test_a_waiver_in_a_comment_of_jinja() -> None:
    source = f"{HEAD}    {{#- fsync: allow FS002 because it is a label -#}}\n{LEAD}{REST}"
    assert codes(source, f"{HEAD}\n{LEAD}{REST}") == []


@pytest.mark.parametrize(
    ("waiver", "words"),
    [
        ("allow FS002", "it gives no reason"),
        ("allow FS002 because", "it gives no reason"),
        ("allow FS02 because of it", "there is no rule FS02 (did you mean 'FS002'?)"),
        ("alow FS002 because of it", "it reads `fsync: allow FS001 because …`"),
        ("allow because of it", "it reads `fsync: allow FS001 because …`"),
    ],
)
def test_a_faulty_waiver_waives_nothing_and_is_reported(waiver: str, words: str) -> None:
    found = findings(f"{HEAD}    -- fsync: {waiver}\n{LEAD}{REST}")
    assert [(one.code, one.line) for one in found] == [("FS010", 4), ("FS002", 5)]
    assert words in found[0].message


def test_a_waiver_of_another_rule_or_line_is_reported() -> None:
    other = f"{HEAD}    -- fsync: allow FS001 because it is a label\n{LEAD}{REST}"
    assert codes(other) == [("FS010", 4), ("FS002", 5)]
    elsewhere = f"-- fsync: allow FS002 because it is a label\n{HEAD}{LEAD}{REST}"
    assert codes(elsewhere) == [("FS010", 1), ("FS002", 5)]


def test_what_a_macro_made_is_at_its_call() -> None:
    source = f"{HEAD}    {{{{ next_amount(\n        'amount'\n    ) }}}}{REST}"
    call = "lead(\n        amount\n    ) over (partition by player_id order by event_at, event_id) as n"
    made = f"{HEAD}    {call}{REST}"
    assert codes(source, made) == [("FS002", 4)]
    waived = source.replace("    {{", "    -- fsync: allow FS002 because it is a label\n    {{")
    assert (
        codes(waived, made.replace("    lead", "    -- fsync: allow FS002 because it is a label\n    lead"))
        == []
    )


def test_a_waiver_inside_a_macro() -> None:
    source = f"{HEAD}    {{{{ next_amount('amount') }}}}{REST}"
    made = f"{HEAD}    -- fsync: allow FS002 because it is a label\n{LEAD}{REST}"
    assert codes(source, made) == []


def test_a_string_is_no_waiver() -> None:
    source = f"{HEAD}    'fsync: allow FS002 because' as words,\n{LEAD}{REST}"
    assert codes(source) == [("FS002", 5)]


def test_lines_of_the_source_below_blocks_that_were_not_taken() -> None:
    block = "{% if is_incremental() %}\n{# nothing #}\nwith a as (select 1)\n{% endif %}\n"
    source = f"{block}{HEAD}{LEAD}{REST}"
    assert codes(source, f"\n{HEAD}{LEAD}{REST}") == [("FS002", 8)]


def test_sql_that_does_not_parse_is_a_warning_with_its_place() -> None:
    found = findings("select player_id\nfrom events where (\n")
    assert [(one.code, one.severity) for one in found] == [("FS009", "warning")]
    assert found[0].message.startswith("not read: ")


@pytest.mark.parametrize(
    "sql", ["", "-- nothing", "select 1; select 2", "create table a (b int)", "select (", "\x00"]
)
def test_whatever_it_is_it_does_not_crash(sql: str) -> None:
    assert [one.code for one in findings("x", sql)] == ["FS009"]


def test_a_python_model_is_a_warning() -> None:
    model = Model("view", file="view.py", source="def model(dbt, session): ...", is_feature=True)
    assert [one.code for one in lint([model], "duckdb").findings] == ["FS009"]


def test_an_ephemeral_model_is_reported_once() -> None:
    clock, name = "select now() as at", "__dbt__cte__inner_model"
    inner = Model("inner_model", file="inner.sql", source=clock, sql=clock, feeds_feature=True)
    reading = "select at as event_timestamp from"
    sql = f"with {name} as (\n{clock}\n)\n{reading} {name}"
    outer = Model("outer_model", file="outer.sql", source=f"{reading} x", sql=sql, is_feature=True)
    found = lint([inner, outer], "duckdb").findings
    assert [(one.file, one.code) for one in found] == [("inner.sql", "FS001")]


def test_a_recursive_cte_ends() -> None:
    sql = (
        "with recursive r as (select player_id, event_at as t, 1 as n from events union all "
        "select player_id, t, n + 1 from r where n < 3) select player_id, t as event_timestamp, n from r"
    )
    assert codes(sql) == []
