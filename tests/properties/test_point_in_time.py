"""`point_in_time_join` in both dialects against a search over all rows in plain Python."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import googlesql
from tests.properties.conftest import Shapes

START = datetime(2026, 3, 1)
DAY = timedelta(days=1)

# Days apart as the ttls are, and a microsecond around each: ties and exact bounds abound.
instants = st.builds(
    lambda days, ticks: START + days * DAY + timedelta(microseconds=ticks),
    st.sampled_from([0, 1, 2, 4]),
    st.sampled_from([-1, 0, 0, 1]),
)
nullable = st.one_of(instants, instants, instants, instants, st.none())
players = st.sampled_from(["1", "1", "1", "12", None])
# ('1', '23') and ('12', '3') are one text when put together.
modes = st.sampled_from(["23", "23", "3", "", None])
days = st.sampled_from([(START + n * DAY).date() for n in range(-1, 4)])

Key = tuple[str | None, ...]


@dataclass(frozen=True)
class View:
    keys: tuple[str, ...]
    ttl: timedelta | None
    rows: list[tuple[Key, datetime, datetime]]


@dataclass(frozen=True)
class Data:
    recent: list[tuple[str | None, datetime | None, datetime | None]]
    paired: list[tuple[str | None, str | None, datetime | None, datetime | None]]
    daily: list[tuple[str | None, date]]
    spine: list[tuple[str | None, str | None, datetime | None]]


data = st.builds(
    Data,
    recent=st.lists(st.tuples(players, nullable, nullable), min_size=3, max_size=14),
    paired=st.lists(st.tuples(players, modes, nullable, nullable), min_size=3, max_size=14),
    daily=st.lists(st.tuples(players, days), max_size=5),
    spine=st.lists(st.tuples(players, modes, nullable), min_size=4, max_size=14).map(
        lambda rows: rows + rows[:1]
    ),
)


def value(event: datetime, created: datetime) -> int:
    """Rows that tie in everything hold the same, so that any of them is right."""
    return ((event - START) * 1_000_003 + (created - START)) // timedelta(microseconds=1)


def views(data: Data) -> dict[str, View]:
    ended = [((player,), datetime(day.year, day.month, day.day) + DAY) for player, day in data.daily]
    return {
        "recent": View(
            ("player_id",),
            2 * DAY,
            [((player,), event, created or event) for player, event, created in data.recent if event],
        ),
        "paired": View(
            ("player_id", "mode"),
            None,
            [
                ((player, mode), event, created or event)
                for player, mode, event, created in data.paired
                if event
            ],
        ),
        "daily": View(("player_id",), 3 * DAY, [(key, end, end) for key, end in ended]),
    }


def search(
    view: View, key: Key, at: datetime | None, *, as_known: bool, until: datetime | None
) -> tuple[datetime, int] | None:
    if at is None or None in key:
        return None
    candidates = [
        (event, created)
        for owner, event, created in view.rows
        if owner == key
        and event <= at
        and (created <= at or not as_known)
        and (until is None or created <= until)
    ]
    if not candidates:
        return None
    event, created = max(candidates)
    if view.ttl is not None and event < at - view.ttl:
        return None
    return event, value(event, created)


def fill(warehouse: duckdb.DuckDBPyConnection, data: Data) -> None:
    warehouse.execute("""
        create or replace table recent (
            player_id varchar, event_timestamp timestamp, created_timestamp timestamp,
            score bigint, label varchar
        );
        create or replace table paired (
            player_id varchar, mode varchar, event_timestamp timestamptz, created_timestamp timestamptz,
            rating bigint
        );
        create or replace table daily (player_id varchar, event_timestamp date, total bigint);
        create or replace table spine (n integer, player_id varchar, mode varchar, happened_at timestamp);
    """)

    def insert(table: str, rows: list[tuple[object, ...]]) -> None:
        if rows:
            row = "(" + ", ".join("?" * len(rows[0])) + ")"
            warehouse.execute(
                f"insert into {table} values " + ", ".join([row] * len(rows)),
                [part for row in rows for part in row],
            )

    def valued(event: datetime | None, created: datetime | None) -> int:
        return value(event or START, created or event or START)

    def utc(instant: datetime | None) -> datetime | None:
        return instant and instant.replace(tzinfo=UTC)

    insert("recent", [(p, e, c, valued(e, c), str(valued(e, c))) for p, e, c in data.recent])
    insert("paired", [(p, m, utc(e), utc(c), valued(e, c)) for p, m, e, c in data.paired])
    ends = [datetime(day.year, day.month, day.day) + DAY for _, day in data.daily]
    insert("daily", [(p, day, value(end, end)) for (p, day), end in zip(data.daily, ends, strict=True)])
    insert("spine", [(n, *row) for n, row in enumerate(data.spine)])


def expected(
    data: Data, *, as_known: bool, until: datetime | None, default: int | None, ages: bool
) -> list[object]:
    rows = []
    every = views(data)
    for n, (player, mode, at) in enumerate(data.spine):
        found = {
            name: search(view, (player, mode)[: len(view.keys)], at, as_known=as_known, until=until)
            for name, view in every.items()
        }
        recent, paired, daily = (found[name] for name in ("recent", "paired", "daily"))

        def age(row: tuple[datetime, int] | None, at: datetime | None = at) -> tuple[float | None, ...]:
            return ((at - row[0]) / timedelta(seconds=1) if row and at else None,) if ages else ()

        rows.append(
            (
                *(n, player, mode, at),
                *(recent[1] if recent else default, str(recent[1]) if recent else None, *age(recent)),
                *(paired[1] if paired else None, *age(paired)),
                *(daily[1] if daily else None, *age(daily)),
            )
        )
    return rows


CASES = [
    ("as_known", {"as_known": True, "until": None, "default": -1, "ages": True}),
    ("hindsight", {"as_known": False, "until": None, "default": None, "ages": False}),
    ("until_an_instant", {"as_known": True, "until": START + 2 * DAY, "default": -1, "ages": False}),
]


@pytest.mark.parametrize(("shape", "rules"), CASES)
def test_equals_a_search_over_all_rows(
    shape: str, rules: dict[str, object], shapes: Shapes, warehouse: duckdb.DuckDBPyConnection
) -> None:
    queries = shapes.of(shape)

    @settings(max_examples=60)
    @given(data)
    def check(data: Data) -> None:
        fill(warehouse, data)
        right = expected(data, **rules)
        for dialect, sql in queries.items():
            assert warehouse.execute(f"from ({sql}) order by n").fetchall() == right, dialect

    check()


@pytest.mark.parametrize("shape", [shape for shape, _ in CASES])
def test_bigquery_has_all_of_it(shape: str, shapes: Shapes) -> None:
    assert googlesql.violations(shapes.bigquery[shape]) == []
