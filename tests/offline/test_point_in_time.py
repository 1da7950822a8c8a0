"""Training sets against a plain-Python search over all rows, on random histories."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Arcade

START = datetime(2024, 3, 1)
TICK = timedelta(microseconds=1)

# Nine instants, the ttls of 2 and 30 days or a microsecond apart: ties and exact bounds abound.
instants = st.builds(
    lambda days, ticks: START + days * timedelta(days=1) + ticks * TICK,
    st.sampled_from([0, 2, 30]),
    st.sampled_from([-1, 0, 1]),
)
days = st.sampled_from([date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 2)])
players = st.sampled_from(["p1", "p1", "p1", "p2", None])
modes = st.sampled_from(["casual", "casual", "casual", "ranked", None])
maybe = st.integers(0, 4).flatmap(lambda n: instants if n else st.none())


@dataclass
class History:
    activity: list[tuple[str | None, datetime | None, datetime | None]]
    skill: list[tuple[str | None, str | None, datetime, datetime | None]]
    days: list[tuple[str | None, date]]


histories = st.builds(
    History,
    st.lists(st.tuples(players, maybe, maybe), min_size=4, max_size=16),
    st.lists(st.tuples(players, modes, instants, maybe), min_size=4, max_size=16),
    st.lists(st.tuples(players, days), max_size=6),
)
spines = st.lists(st.tuples(players, modes, maybe), min_size=6, max_size=18)


def value_of(*parts: object) -> int:
    """Rows that tie in everything hold the same, so that any of them is right."""
    return hash(parts) % 1_000_000


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories, spines, st.booleans(), st.none() | instants, st.booleans())
def test_equals_a_search_over_all_rows(
    shared: Arcade,
    history: History,
    spine: list[tuple[str | None, str | None, datetime | None]],
    hindsight: bool,
    as_known_at: datetime | None,
    defaults: bool,
) -> None:
    fill(shared, history)
    table = pyarrow.table(
        {
            "n": pyarrow.array(range(len(spine)), pyarrow.int64()),
            "player_id": pyarrow.array([row[0] for row in spine], pyarrow.string()),
            "game_mode": pyarrow.array([row[1] for row in spine], pyarrow.string()),
            "event_timestamp": pyarrow.array([row[2] for row in spine], pyarrow.timestamp("us")),
        }
    )
    found = shared.store().get_historical_features(
        table,
        ["player_activity:sessions", "player_mode_skill:rating", "player_day:score"],
        hindsight=hindsight,
        as_known_at=as_known_at,
        defaults=defaults,
        ages=True,
    )

    def search(
        rows: list[tuple[datetime, datetime, int]], at: datetime | None, ttl: timedelta, default: int | None
    ) -> tuple[int | None, float | None]:
        known = [
            row
            for row in rows
            if at is not None
            and row[0] <= at
            and (hindsight or row[1] <= at)
            and (as_known_at is None or row[1] <= as_known_at)
        ]
        newest = max(known, default=None)
        if newest is None or at is None or newest[0] < at - ttl:
            return (default if defaults else None), None
        return newest[2], (at - newest[0]) / timedelta(seconds=1)

    expected = []
    for n, (player, mode, at) in enumerate(spine):
        activity = [
            (event, created or event, value_of(player, event, created or event))
            for owner, event, created in history.activity
            if owner == player and owner is not None and event is not None
        ]
        skill = [
            (event, created or event, value_of(player, mode, event, created or event))
            for owner, played, event, created in history.skill
            if (owner, played) == (player, mode) and None not in (owner, played)
        ]
        scores = []
        for owner, day in history.days:
            if owner == player and owner is not None:
                end = datetime(day.year, day.month, day.day) + timedelta(days=1)
                scores.append((end, end, value_of(player, day)))
        month = timedelta(days=30)
        row = [n, player, mode, at]
        row += search(activity, at, month, 0)
        row += search(skill, at, month, None)
        row += search(scores, at, timedelta(days=2), None)
        expected.append(row)
    rows = [list(row.values()) for row in found.to_arrow().to_pylist()]
    assert rows == expected


def fill(arcade: Arcade, history: History) -> None:
    activity = [
        (player, event, created, value_of(player, event, created or event))
        for player, event, created in history.activity
    ]
    skill = [
        (player, mode, utc(event), utc(created), value_of(player, mode, event, created or event))
        for player, mode, event, created in history.skill
    ]
    scores = [(player, day, value_of(player, day)) for player, day in history.days]
    with duckdb.connect(str(arcade.path / "target" / "arcade.duckdb")) as connection:
        for table, rows, places in (
            ("player_activity_v2", activity, "?, ?, ?, ?, null"),
            ("player_mode_skill", skill, "?, ?, ?, ?, ? / 1.0"),
            ("player_day", scores, "?, ?, ?"),
        ):
            connection.execute(f"delete from {table}")
            if rows:
                connection.executemany(f"insert into {table} values ({places})", rows)


def utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=UTC)
