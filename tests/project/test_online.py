"""What Redis answers is what the warehouse holds, at any instant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from sync import FeatureStore
from tests.project.conftest import Project

VIEWS = {
    "player_sessions": ("player_sessions", ["player_id"], 30),
    "player_engagement@1": ("player_engagement_v1", ["player_id"], 30),
    "player_engagement": ("player_engagement_v2", ["player_id"], 30),
    "player_monetization": ("player_monetization", ["player_id"], 30),
    "player_social": ("player_social", ["player_id"], 30),
    "player_progression": ("player_progression", ["player_id"], 30),
    "player_mode": ("player_mode", ["player_id", "game_mode"], 30),
}
INSTANTS = [datetime(2026, *rest, tzinfo=UTC) for rest in [(5, 20), (6, 12, 13, 45), (6, 29)]]


def query(project: Project, sql: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        relation = connection.sql(sql)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


@pytest.mark.parametrize("as_of", INSTANTS)
def test_redis_holds_the_warehouses_latest_rows(
    store: FeatureStore, built: tuple[Project, str], as_of: datetime
) -> None:
    store.sync(list(VIEWS), as_of=as_of)
    for view, (table, keys, ttl) in VIEWS.items():
        rows = query(
            built[0],
            f"""
            select * from {table}
            where greatest(event_timestamp, created_timestamp) <= '{as_of:%Y-%m-%d %H:%M}'
            qualify row_number() over (partition by {", ".join(keys)} order by event_timestamp desc) = 1
            """,
        )
        assert rows
        answers = store.get_online_features([tuple(row[key] for key in keys) for row in rows], view, as_of)
        for row, answer in zip(rows, answers.rows, strict=True):
            fresh = row["event_timestamp"].replace(tzinfo=UTC) >= as_of - timedelta(days=ttl)
            for reference, feature in answer.features.items():
                name = reference.split(":")[1]
                if not fresh:
                    assert feature.status == "NOT_FOUND"
                elif row[name] is None:
                    assert feature.status == "NULL"
                else:
                    assert (feature.status, feature.value) == ("PRESENT", row[name])


def test_a_player_who_goes_quiet_falls_to_zero_on_the_right_day(
    store: FeatureStore, built: tuple[Project, str]
) -> None:
    quiet = query(
        built[0],
        """
        select player_id, max(tile_start) as last_day
        from int_player_session_days
        group by player_id
        having max(tile_start) between '2026-05-10' and '2026-06-15'
            and max(available_at) = max(tile_start) + interval 1 day
        order by player_id
        limit 5
        """,
    )
    assert quiet
    for row in quiet:
        last_day = row["last_day"].replace(tzinfo=UTC)
        left = last_day + timedelta(days=8)
        for instant, empty in [(left - timedelta(microseconds=1), False), (left, True)]:
            store.sync(["player_sessions"], as_of=instant, full_refresh=True)
            answer = store.get_online_features(
                [row["player_id"]], ["player_sessions:sessions_last_7d"], instant
            )
            (value,) = answer.rows[0].features.values()
            assert value.status == "PRESENT"
            assert (value.value == 0) == empty


def test_training_rows_of_quiet_players_are_zero(built: tuple[Project, str]) -> None:
    """Against the tiles themselves, so that the windows of the training set are checked from outside."""
    wrong = query(
        built[0],
        """
        select
            labels.player_id,
            labels.event_timestamp,
            labels.sessions_last_7d,
            coalesce(sum(days.sessions), 0) as expected
        from churn_training_set as labels
        left join int_player_session_days as days
            on labels.player_id = days.player_id
            and days.available_at <= labels.event_timestamp
            and days.tile_start >= labels.event_timestamp - interval 7 days
        group by all
        having labels.sessions_last_7d != expected
        """,
    )
    assert wrong == []
    assert (
        query(built[0], "select count(*) as n from churn_training_set where sessions_last_7d > 0")[0]["n"]
        > 50
    )


def test_services_read_across_views_and_a_composite_key(
    store: FeatureStore, built: tuple[Project, str]
) -> None:
    as_of = INSTANTS[1]
    store.sync(as_of=as_of, select=list(VIEWS))
    (player,) = query(
        built[0], "select player_id, game_mode from player_mode order by event_timestamp limit 1"
    )
    personal = store.get_online_features([player["player_id"]], "personalization", as_of)
    assert list(personal.rows[0].features) == [
        "player_progression:player_skill_level",
        "player_progression:preferred_game_mode",
        "player_sessions:playtime_per_session",
        "player_social:social_engagement_score",
        "player_monetization:monetization_tier",
        "player_engagement:churn_risk_score",
    ]
    matchmaking = store.get_online_features([player], "matchmaking", as_of)
    assert matchmaking.rows[0].keys == player
