"""What a query's columns read: by cases, and by what moves when a column of the tables moves."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import duckdb
import pytest

from sync.lint.run import lint
from sync.sql.model import Model
from sync.sql.query import Query, Unreadable
from sync.sql.read import read_queries
from sync.sql.trace import Read, trace

TABLES = {
    "events": {
        "player_id": "varchar",
        "event_at": "timestamp",
        "name": "varchar",
        "amount": "bigint",
        "tags": "varchar[]",
    },
    "players": {"player_id": "varchar", "country": "varchar", "level": "bigint"},
    "lake": {"player_id": "varchar", "depth": "bigint"},
    "raw": {"player_id": "varchar", "mystery": "bigint", "strange": "bigint"},
}
UNKNOWN, NO_MODEL = {"raw"}, {"lake"}


class Case(NamedTuple):
    sql: str
    values: dict[str, str]
    rows: str
    dialect: str = "duckdb"


CASES = {
    "columns and expressions": Case(
        "select player_id, amount * 2 + length(name) as twice from events",
        {"player_id": "events.player_id", "twice": "events.amount events.name"},
        "events.*",
    ),
    "a filter": Case(
        "select amount from events where name = 'buy'",
        {"amount": "events.amount"},
        "events.* events.name",
    ),
    "a chain of CTEs": Case(
        """with bought as (select player_id as who, amount from events where name = 'buy'),
        summed as (select who, sum(amount) as spent from bought group by who)
        select who, spent / 100.0 as euros from summed""",
        {"who": "events.player_id", "euros": "events.amount"},
        "events.* events.name events.player_id",
    ),
    "a star": Case(
        "with all_of as (select * from players) select * exclude (country) from all_of",
        {"player_id": "players.player_id", "level": "players.level"},
        "players.*",
    ),
    "a join": Case(
        """select e.amount, p.country from events as e
        left join players as p on e.player_id = p.player_id and p.level > 1""",
        {"amount": "events.amount", "country": "players.country"},
        "events.* events.player_id players.* players.level players.player_id",
    ),
    "a join using": Case(
        "select country, amount from events join players using (player_id)",
        {"amount": "events.amount", "country": "players.country"},
        "events.* events.player_id players.* players.player_id",
    ),
    "a union": Case(
        """select player_id, amount as n from events
        union all select player_id, level from players where country = 'DE'""",
        {"player_id": "events.player_id players.player_id", "n": "events.amount players.level"},
        "events.* players.* players.country",
    ),
    "counted rows": Case(
        "select player_id, count(*) as n from events group by 1",
        {"player_id": "events.player_id", "n": "events.*"},
        "events.* events.player_id",
    ),
    "rows counted in a CTE": Case(
        """with n as (select player_id, count(*) as n from events group by player_id)
        select player_id, n + 1 as more from n""",
        {"player_id": "events.player_id", "more": "events.*"},
        "events.* events.player_id",
    ),
    "a constant": Case("select 1 as one from players", {"one": "players.*"}, "players.*"),
    "a filtered aggregate": Case(
        "select sum(amount) filter (where name = 'buy') as spent from events",
        {"spent": "events.amount events.name"},
        "events.*",
    ),
    "a window": Case(
        """select amount, sum(amount) over (partition by player_id order by event_at) as running
        from events qualify row_number() over (partition by name order by event_at) < 3""",
        {"amount": "events.amount", "running": "events.amount"},
        "events.* events.event_at events.name events.player_id",
    ),
    "a named window": Case(
        "select sum(amount) over w as s from events window w as (partition by player_id order by event_at)",
        {"s": "events.amount"},
        "events.* events.event_at events.player_id",
    ),
    "a scalar subquery": Case(
        """select p.player_id, (select sum(e.amount) from events as e where e.player_id = p.player_id) as s
        from players as p""",
        {
            "player_id": "players.player_id",
            "s": "events.* events.amount events.player_id players.player_id",
        },
        "players.*",
    ),
    "exists": Case(
        """select p.level from players as p
        where exists (select 1 from events as e where e.player_id = p.player_id and e.name = 'buy')""",
        {"level": "players.level"},
        "events.* events.name events.player_id players.* players.player_id",
    ),
    "in": Case(
        "select level from players where player_id in (select player_id from events where amount > 1)",
        {"level": "players.level"},
        "events.* events.amount events.player_id players.* players.player_id",
    ),
    "having and distinct": Case(
        "select distinct country from players group by country, level having max(level) > 2",
        {"country": "players.country"},
        "players.* players.country players.level",
    ),
    "the first by an order": Case(
        "select name from events order by event_at, amount limit 2",
        {"name": "events.name"},
        "events.* events.amount events.event_at",
    ),
    "an array's elements": Case(
        "select e.player_id, t.tag from events as e, unnest(e.tags) as t(tag)",
        {"player_id": "events.player_id", "tag": "events.tags"},
        "events.* events.tags",
    ),
    "an array's elements in a subquery": Case(
        "select (select max(tag) from unnest(e.tags) as t(tag)) as best from events as e",
        {"best": "events.tags"},
        "events.*",
    ),
    "BigQuery's array of structs": Case(
        """select (select p.value from unnest(tags) as p where p.key = 'level') as level,
        array_length(tags) as n from events""",
        {"level": "events.tags", "n": "events.tags"},
        "events.*",
        "bigquery",
    ),
    "an ASOF join": Case(
        """select e.name, p.level from events as e asof left join
        (select player_id, level, to_timestamp(level)::timestamp as at from players) as p
        on e.player_id = p.player_id and e.event_at >= p.at""",
        {"name": "events.name", "level": "players.level"},
        "events.* events.event_at events.player_id players.* players.level players.player_id",
    ),
    "a recursive CTE": Case(
        """with recursive steps as (
            select player_id, level from players
            union all select player_id, level - 1 from steps where level > 0
        ) select player_id, level from steps""",
        # What comes round may be made of all that the recursion reads.
        {"player_id": "players.player_id players.level", "level": "players.player_id players.level"},
        "players.* players.level players.player_id",
    ),
    "a recursion over two tables": Case(
        """with recursive steps as (
            select player_id, 0 as spent, 1 as n from players
            union all select e.player_id, e.amount, n + 1 from steps
            join events as e on e.player_id = steps.player_id and steps.spent < 5 where n < 3
        ) select n from steps""",
        {"n": "events.amount events.player_id players.player_id"},
        "events.* events.amount events.player_id players.* players.player_id",
    ),
    "a field of a struct": Case(
        """with p as (select {'x': amount, 'n': name} as s, level from events, players)
        select s.x, level from p""",
        {"x": "events.amount events.name", "level": "players.level"},
        "events.* players.*",
    ),
    "a column that only an unknown table can have": Case(
        "select amount, mystery from events join raw on events.player_id = raw.player_id",
        {"amount": "events.amount", "mystery": "raw.mystery"},
        "events.* events.player_id raw.* raw.player_id",
    ),
    "a column of one of two unknown tables": Case(
        "with r as (select * from raw) select mystery from r join players on level = strange",
        {"mystery": "raw.mystery"},
        "players.* players.level raw.* raw.strange",
    ),
    "a table that is no model": Case(
        "select amount, depth from events join lake on lake.player_id = events.player_id",
        {"amount": "events.amount", "depth": "lake.depth"},
        "events.* events.player_id lake.* lake.player_id",
    ),
    "a union of unknown columns": Case(
        "with r as (select * from raw union all select * from raw) select mystery from r",
        {"mystery": "raw.mystery"},
        "raw.*",
    ),
    "a union of distinct rows": Case(
        "select name, amount from events union select country, level from players",
        {"name": "events.name players.country", "amount": "events.amount players.level"},
        "events.* events.amount events.name players.* players.country players.level",
    ),
    "rows that others do not have": Case(
        "select player_id from events except select player_id from players where level > 2",
        {"player_id": "events.player_id players.player_id"},
        "events.* events.player_id players.* players.level players.player_id",
    ),
    "an alias used beside its making": Case(
        "select amount * 2 as twice, twice + 1 as more from events where twice > 4",
        {"twice": "events.amount", "more": "events.amount"},
        "events.* events.amount",
    ),
    "distinct on": Case(
        "select distinct on (player_id) name from events order by player_id, event_at, amount",
        {"name": "events.name"},
        "events.* events.amount events.event_at events.player_id",
    ),
    "an ordered aggregate": Case(
        "select first(name order by event_at) as first_name, arg_max(name, amount) as best from events",
        {"first_name": "events.event_at events.name", "best": "events.amount events.name"},
        "events.*",
    ),
    "a CTE of a name that a table has": Case(
        "with players as (select player_id, amount as level from events) select level from players",
        {"level": "events.amount"},
        "events.*",
    ),
}


def traced(sql: str, dialect: str) -> tuple[dict[str, set[str]], set[str]]:
    models = [
        Model(name, relation=("main", name), columns={} if name in UNKNOWN else dict(columns))
        for name, columns in TABLES.items()
        if name not in NO_MODEL
    ]
    models.append(Model("case", sql=sql, relation=("main", "case")))
    *_, (_, query) = read_queries(models, dialect)
    assert isinstance(query, Query)
    found = trace(query)
    return {name: named(reads) for name, reads in found.values.items()}, named(found.rows)


def named(reads: frozenset[Read]) -> set[str]:
    return {f"{read.model.name if read.model else read.table}.{read.column}" for read in reads}


@pytest.mark.parametrize("name", CASES)
def test_what_is_read(name: str) -> None:
    case = CASES[name]
    values, rows = traced(case.sql, case.dialect)
    assert values == {column: set(reads.split()) for column, reads in case.values.items()}
    assert rows == set(case.rows.split())


@pytest.mark.parametrize(
    "sql",
    [
        "select * from raw",
        "select * from (pivot events on name in ('buy', 'win') using sum(amount) group by player_id)",
        "select buy from events pivot (sum(amount) for name in ('buy'))",
    ],
)
def test_what_cannot_be_followed_has_no_columns(sql: str) -> None:
    assert traced(sql, "duckdb")[0] == {}


def test_a_chain_too_long_to_follow() -> None:
    links = (f"c{n} as (select amount + 1 as amount from c{n - 1} where amount > {n})" for n in range(1, 520))
    chain = f"with c0 as (select amount from events), {', '.join(links)} select amount from c519"
    with pytest.raises(Unreadable, match="nested too deeply"):
        traced(chain, "duckdb")
    (finding,) = lint([Model("case", sql=chain, source=chain, relation=("main", "case"))], "duckdb").findings
    assert (finding.code, finding.message) == ("FS009", "not read: its queries are nested too deeply")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.dialect == "duckdb"])
def test_what_is_not_read_moves_nothing(name: str) -> None:
    sql = CASES[name].sql
    values, rows = traced(sql, "duckdb")
    with duckdb.connect() as database:
        fill(database)
        before = columns_of(database, sql)
        for table, column in moves():
            fill(database, table, column)
            after = columns_of(database, sql)
            moved = {name for name in before if before[name] != after[name]}
            if f"{table}.{column}" not in rows:
                assert moved <= {name for name in values if f"{table}.{column}" in values[name]}


def moves() -> Iterator[tuple[str, str]]:
    for table, columns in TABLES.items():
        for column in columns:
            yield table, column


def fill(database: duckdb.DuckDBPyConnection, table: str = "", column: str = "") -> None:
    """Tables of which one column may hold other values."""
    made = {
        "player_id": "'p' || (i * {k} % 4)",
        "event_at": "timestamp '2026-01-01' + to_hours(i * {k})",
        "name": "['buy', 'play', 'win'][(i * {k}) % 3 + 1]",
        "amount": "i * {k}",
        "tags": "['a' || (i * {k}), 'b']",
        "country": "['DE', 'FR'][(i * {k}) % 2 + 1]",
        "level": "i * {k} % 5",
        "mystery": "i * {k}",
        "strange": "i * {k} % 5",
        "depth": "i * {k}",
    }
    for name, columns in TABLES.items():
        parts = (
            f"{made[one].format(k=3 if (name, one) == (table, column) else 1)} as {one}" for one in columns
        )
        database.execute(
            f"create or replace table {name} as select {', '.join(parts)} from range(12) as r(i)"
        )


def columns_of(database: duckdb.DuckDBPyConnection, sql: str) -> "dict[str, Counter[str]]":
    found = database.execute(sql)
    names = [str(one[0]) for one in found.description or []]
    rows = found.fetchall()
    return {name: Counter(str(row[n]) for row in rows) for n, name in enumerate(names)}
