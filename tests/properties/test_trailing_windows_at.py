"""`trailing_windows_at` in both dialects against a search over all events for each spine row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import googlesql
from tests.properties.conftest import Shapes

START = datetime(2026, 3, 1)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)


@dataclass(frozen=True)
class Event:
    player: str | None
    mode: str | None
    at: datetime
    created: datetime | None
    item: str | None
    cents: int | None


instants = st.builds(
    lambda hours, ticks: START + hours * HOUR + ticks * TICK,
    st.integers(0, 30),
    st.sampled_from([-1, 0, 0, 0, 1]),
)
delays = st.sampled_from([timedelta(0), timedelta(0), TICK, HOUR, 2 * HOUR - TICK, 2 * HOUR, 2 * DAY])
players, modes = st.sampled_from(["1", "12", None]), st.sampled_from(["23", "3", "3", None])
events = st.lists(
    st.builds(
        lambda player, mode, at, delay, item, cents: Event(
            player, mode, at, None if delay is None else at + delay, item, cents
        ),
        players,
        modes,
        instants,
        st.one_of(delays, delays, delays, st.none()),
        st.sampled_from(["sword", "shield", "hat", None]),
        st.one_of(st.none(), st.integers(-2, 9)),
    ),
    max_size=40,
)
spines = st.lists(st.tuples(players, modes, instants), min_size=2, max_size=60).map(
    lambda rows: rows + rows[:1]
)

Within = Callable[[timedelta | None], list[Event]]


def total(found: list[Event]) -> int:
    return sum(event.cents or 0 for event in found)


def items(found: list[Event]) -> int:
    return len({event.item for event in found} - {None})


def cents(choose: Callable[..., Any], found: list[Event]) -> Any:
    return choose((event.cents for event in found if event.cents is not None), default=None)


def item(choose: Callable[..., Any], found: list[Event], known: bool) -> Any:
    held = [(e.at, max(e.at, e.created or e.at) if known else e.at, e.item) for e in found if e.item]
    return choose(held)[2] if held else None


def mean(found: list[Event]) -> float | None:
    bought = sum(event.cents is not None for event in found)
    return total(found) / bought if bought else None


def as_known(within: Within) -> tuple[Any, ...]:
    return (
        total(within(2 * HOUR)),
        total(within(DAY)),
        total([event for event in within(DAY) if (event.cents or 0) > 3]),
        mean(within(DAY)),
        items(within(2 * HOUR)),
        total(within(None)),
        cents(max, within(None)),
        cents(max, within(DAY)),
        cents(min, within(2 * HOUR)),
        item(max, [event for event in within(2 * HOUR) if (event.cents or 0) > 3], True),
        item(min, within(DAY), True),
        item(max, within(None), True),
    )


def hindsight(within: Within) -> tuple[Any, ...]:
    return (
        total(within(2 * HOUR)),
        items(within(DAY)),
        cents(max, within(DAY)),
        cents(min, within(2 * HOUR)),
        item(max, within(DAY), False),
        item(min, within(2 * HOUR), False),
    )


def searched(
    events: list[Event],
    spine: list[tuple[Any, ...]],
    known: bool,
    features: Callable[[Within], tuple[Any, ...]],
) -> list[tuple[Any, ...]]:
    rows = []
    for player, mode, at in spine:
        seen = [
            e
            for e in events
            if None not in (player, mode)
            and (e.player, e.mode) == (player, mode)
            and (max(e.at, e.created or e.at) if known else e.at) <= at
        ]

        def within(window: timedelta | None, seen: list[Event] = seen, at: datetime = at) -> list[Event]:
            return [e for e in seen if window is None or e.at > at - window]

        rows.append((player, mode, at, *features(within)))
    return sorted(rows, key=repr)


def fill(warehouse: duckdb.DuckDBPyConnection, events: list[Event], spine: list[tuple[Any, ...]]) -> None:
    warehouse.execute("""
        create or replace table events (
            player_id varchar, mode varchar, event_timestamp timestamp, created_timestamp timestamp,
            item varchar, cents bigint, bought bigint
        )
    """)
    warehouse.execute(
        "create or replace table spine (player_id varchar, mode varchar, happened_at timestamp)"
    )
    rows = [(e.player, e.mode, e.at, e.created, e.item, e.cents, int(e.cents is not None)) for e in events]
    for table, values in (("events", rows), ("spine", spine)):
        if values:
            marks = ", ".join(["(" + ", ".join("?" * len(values[0])) + ")"] * len(values))
            warehouse.execute(f"insert into {table} values {marks}", [part for row in values for part in row])


CASES = {"exact_as_known": (True, as_known), "exact_hindsight": (False, hindsight)}


@pytest.mark.parametrize("name", CASES)
def test_equals_a_search_over_all_events(
    name: str, shapes: Shapes, warehouse: duckdb.DuckDBPyConnection
) -> None:
    queries, (known, features) = shapes.of(name), CASES[name]

    @settings(max_examples=25)
    @given(events, spines)
    def check(events: list[Event], spine: list[tuple[Any, ...]]) -> None:
        fill(warehouse, events, spine)
        right = searched(events, spine, known, features)
        for dialect, sql in queries.items():
            found = warehouse.sql(f"select * replace (happened_at::timestamp as happened_at) from ({sql})")
            assert sorted(found.fetchall(), key=repr) == right, dialect

    check()


@pytest.mark.parametrize("name", CASES)
def test_bigquery_has_all_of_it(name: str, shapes: Shapes) -> None:
    assert googlesql.violations(shapes.bigquery[name]) == []
