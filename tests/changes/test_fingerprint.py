"""Edits of a query that must leave a column's fingerprint alone, and edits that must not."""

import pytest

from sync.changes.columns import Fingerprints, Unresolved, column_fingerprints, text_fingerprints

UPSTREAM = {
    "db.main.events": Fingerprints("events", {n: f"e.{n}" for n in ("player_id", "at", "amount", "kind")}),
    "db.main.players": Fingerprints("players", {n: f"p.{n}" for n in ("player_id", "country")}),
}
BASE = """
with bought as (
    select player_id, at, amount from "db"."main"."events" where kind = 'buy' and amount > 0
)
select
    b.player_id,
    cast(date_trunc('day', b.at) as timestamp) as day,
    sum(b.amount) as revenue,
    count(*) as purchases,
    upper(p.country) as country
from bought as b
left join "db"."main"."players" as p on b.player_id = p.player_id
group by b.player_id, date_trunc('day', b.at), p.country
"""
SAME = {
    "comment": ("select\n    b.player_id,", "select -- who\n    b.player_id, /* hm */"),
    "case": ("sum(b.amount)", "SUM(B.AMOUNT)"),
    "layout": ("count(*) as purchases,\n    upper", "count(*) as purchases, upper"),
    "name of a CTE": ("bought", "purchases_of_players"),
    "cast": ("cast(date_trunc('day', b.at) as timestamp)", "date_trunc('day', b.at)::timestamp"),
    "order of conditions": ("kind = 'buy' and amount > 0", "amount > 0 and kind = 'buy'"),
    "parentheses": ("kind = 'buy' and amount > 0", "(kind = 'buy') and (amount > 0)"),
    "neighbour added": ("count(*) as purchases,", "count(*) as purchases, max(b.amount) as top,"),
    "neighbour changed": ("count(*) as purchases", "count(*) + 1 as purchases"),
    "order of columns": (
        "sum(b.amount) as revenue,\n    count(*) as purchases",
        "count(*) as purchases, sum(b.amount) as revenue",
    ),
    "unused column of a CTE": ("select player_id, at, amount", "select player_id, at, amount, kind"),
}
# The edit, and whether the rows change too.
OTHER = {
    "expression": ("sum(b.amount)", "sum(b.amount * 2)", False),
    "aggregate": ("sum(b.amount)", "max(b.amount)", False),
    "constant of a filter": ("amount > 0", "amount > 1", True),
    "filter gone": ("kind = 'buy' and amount > 0", "amount > 0", True),
    "filter added": ("group by b.", "where p.country <> 'x' group by b.", True),
    "join side": ("left join", "inner join", True),
    "join condition": ("b.player_id = p.player_id", "b.player_id = p.player_id and p.country <> 'x'", True),
    "grouping": ("date_trunc('day', b.at), p.country\n", "b.at, date_trunc('day', b.at), p.country\n", True),
    "having": ("p.country\n", "p.country having count(*) > 1\n", True),
    "window": ("sum(b.amount)", "sum(sum(b.amount)) over (partition by b.player_id)", False),
    "another column": ("sum(b.amount)", "sum(b.player_id)", False),
}


def of(sql: str, upstream: dict[str, Fingerprints] = UPSTREAM) -> Fingerprints:
    return column_fingerprints(sql, "duckdb", upstream)


def edit(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


@pytest.mark.parametrize("name", SAME)
def test_edit_without_meaning(name: str) -> None:
    edited = of(edit(*SAME[name]))
    assert edited.rows == of(BASE).rows
    assert edited.columns["revenue"] == of(BASE).columns["revenue"]
    assert edited.columns["country"] == of(BASE).columns["country"]


@pytest.mark.parametrize("name", OTHER)
def test_edit_with_meaning(name: str) -> None:
    old, new, rows = OTHER[name]
    edited = of(edit(old, new))
    assert edited.columns["revenue"] != of(BASE).columns["revenue"]
    assert (edited.rows != of(BASE).rows) == rows


def test_names_of_ctes_and_aliases_leave_no_trace() -> None:
    renamed = BASE.replace("bought", "purchases_of").replace("b.", "x.").replace("as b\n", "as x\n")
    assert renamed != BASE
    assert of(renamed) == of(BASE)


def test_name_of_a_subquery_for_a_cte() -> None:
    inner = BASE.partition("(\n")[2].partition("\n)")[0]
    inlined = "select" + BASE.partition(")\nselect")[2].replace("from bought", f"from ({inner})")
    assert of(inlined) == of(BASE)


def test_upstream_change_reaches_only_what_reads_it() -> None:
    events = UPSTREAM["db.main.events"]
    other = {**UPSTREAM, "db.main.events": Fingerprints("events", {**events.columns, "amount": "other"})}
    was, now = (
        of("select kind, amount from db.main.events"),
        of("select kind, amount from db.main.events", other),
    )
    assert was.columns["kind"] == now.columns["kind"]
    assert was.columns["amount"] != now.columns["amount"]
    rows = {**UPSTREAM, "db.main.events": Fingerprints("others", events.columns)}
    assert of(BASE, rows).rows != of(BASE).rows
    assert of(BASE, rows).columns["revenue"] != of(BASE).columns["revenue"]


def test_star_is_the_columns_it_stands_for() -> None:
    named = of("select player_id, at, amount, kind from db.main.events")
    assert of("select * from db.main.events") == named


def test_union_sides_and_kind_count() -> None:
    one, two = "select amount as x from db.main.events", "select player_id as x from db.main.players"
    texts = [f"{one} union all {two}", f"{two} union all {one}", f"{one} union {two}", f"{one} except {two}"]
    assert len({of(text).columns["x"] + of(text).rows for text in texts}) == 4


def test_condition_of_exists_counts() -> None:
    text = (
        "select e.amount from db.main.events as e where exists "
        "(select 1 from db.main.players as p where p.player_id = e.player_id and p.country = '{}')"
    )
    assert of(text.format("de")).rows != of(text.format("fr")).rows


def test_frame_and_order_of_a_named_window_count() -> None:
    text = (
        "select sum(amount) over w as x from db.main.events "
        "window w as (partition by player_id order by {} rows 2 preceding)"
    )
    assert of(text.format("at")).columns != of(text.format("at desc")).columns


def test_limit_counts_with_its_order() -> None:
    text = "select amount from db.main.events order by {} limit {}"
    found = {of(text.format(*each)).rows for each in [("at", 1), ("at", 2), ("kind", 1)]}
    assert len(found) == 3


@pytest.mark.parametrize(
    "sql",
    [
        "select distinct on (player_id) amount, player_id from db.main.events order by at",
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select n from r",
        "select nothing from db.main.events",
        "select amount from db.main.unknown",
        "select amount from db.main.events union all by name select amount from db.main.events",
        "select * from (pivot db.main.events on kind using sum(amount))",
        "not sql at all (",
    ],
)
def test_what_cannot_be_followed_goes_by_its_text(sql: str) -> None:
    with pytest.raises(Unresolved):
        of(sql)
    was = text_fingerprints(sql, "duckdb", ["amount"], UPSTREAM)
    assert was == text_fingerprints(sql.replace(" ", "  "), "duckdb", ["amount"], UPSTREAM)
    assert was.rows != text_fingerprints(sql + " x", "duckdb", ["amount"], UPSTREAM).rows


def test_text_does_not_hold_the_schema_it_was_built_in() -> None:
    there = {"ci.pr_7.events": UPSTREAM["db.main.events"]}
    here = {"db.main.events": UPSTREAM["db.main.events"]}
    sql = "select distinct on (player_id) amount from {}.events"
    assert text_fingerprints(sql.format("ci.pr_7"), "duckdb", ["amount"], there) == text_fingerprints(
        sql.format("db.main"), "duckdb", ["amount"], here
    )
