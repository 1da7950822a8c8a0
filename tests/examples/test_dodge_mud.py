"""The second project: real data, this repository's macros as a package, the same fsync."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from sync import FeatureStore
from sync.cli.app import app
from tests.project.conftest import ROOT, Project

EXAMPLE = ROOT / "examples" / "dodge_mud"
PLAYS = Path(
    os.environ.get("FSYNC_DODGE_MUD_PLAYS", EXAMPLE / "../../../shared/data/dodge_mud/plays.parquet")
).resolve()

needs_plays = pytest.mark.skipif(
    not PLAYS.exists(), reason=f"no play log at {PLAYS}; FSYNC_DODGE_MUD_PLAYS names another place"
)

JUNE = "2015-06-01T00:00:00Z"
MARCH = "2015-03-01T12:00:00Z"

SERVICE = ["plays_total", "plays_last_7d", "best_score", "avg_score", "last_score", "is_shared_device"]
WINDOWS = [f"player_plays:{name}" for name in ("plays_total", "plays_last_7d", "plays_last_30d")]


class Example(Project):
    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "FSYNC_DODGE_MUD_DUCKDB_PATH": str(self.warehouse),
            "FSYNC_DODGE_MUD_PLAYS": str(PLAYS),
            "DBT_PACKAGES_INSTALL_PATH": str(self.folder / "dbt_packages"),
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.sql(sql).fetchall()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Example:
    example = Example(EXAMPLE, tmp_path_factory.mktemp("dodge_mud"))
    example.dbt("deps")
    return example


@pytest.fixture(scope="module")
def built(installed: Example) -> Example:
    output = installed.dbt("build")
    assert "WARN=0 ERROR=0 SKIP=0" in output
    assert "WARNING" not in output
    return installed


PLAYERS = "select distinct player_id from return_labels"


def point_in_time(
    store: FeatureStore, players: str, at: str, features: str | list[str], **options: Any
) -> dict[str, list[Any]]:
    spine = f"select player_id, cast('{at}' as timestamptz) as event_timestamp from ({players}) as players"
    joined: dict[str, list[Any]] = (
        store.get_historical_features(spine, features, **options).to_arrow().to_pydict()
    )
    return joined


def online(store: FeatureStore, as_of: str) -> None:
    arguments = ["online", "--as-of", as_of, "--project-dir", str(EXAMPLE), "--redis-url", store.redis_url]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert as_of != JUNE or "player_plays: 10,412 rows" in result.stdout


@pytest.fixture
def store(built: Example, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    for name, value in built.environment.items():
        monkeypatch.setenv(name, value)
    return FeatureStore(EXAMPLE, redis_url=redis_url)


def test_the_package_brings_macros_only(installed: Example) -> None:
    listed = installed.dbt("ls", "--quiet").split()
    assert "dodge_mud.features.player.player_plays" in listed
    assert [node for node in listed if "dodge_mud" not in node] == []


def test_an_absent_log_is_said_in_words(installed: Example) -> None:
    output = installed.dbt("build", fails=True, FSYNC_DODGE_MUD_PLAYS="/nowhere/plays.parquet")
    assert "No play log at '/nowhere/plays.parquet': set FSYNC_DODGE_MUD_PLAYS" in output


@needs_plays
def test_figures_of_the_whole_log(built: Example) -> None:
    assert built.query("""
        select
            count(*), count(player_id), count(distinct player_id),
            sum(score), count(*) filter (where score = 0), max(score)
        from stg_plays
    """) == [(153_929, 153_920, 25_955, 30_159_713, 4_471, 20_964)]
    assert built.query("""
        select player_id, max(plays_total) as plays from player_plays group by 1 order by plays desc limit 5
    """) == [
        ("device_placeholder", 1_618),
        ("p00966", 1_419),
        ("p02700", 1_292),
        ("p00013", 1_124),
        ("p05207", 922),
    ]


@needs_plays
def test_figures_of_the_first_of_june(store: FeatureStore) -> None:
    joined = point_in_time(store, PLAYERS, JUNE, WINDOWS, defaults=False)
    for name, figures in {
        "plays_total": (67_901, 10_412),
        "plays_last_7d": (2_691, 616),
        "plays_last_30d": (12_988, 2_471),
    }.items():
        plays = [count for count in joined[name] if count]
        assert (sum(plays), len(plays)) == figures


@needs_plays
@pytest.mark.parametrize(
    ("player", "as_of", "expected"),
    [
        (
            "p00966",
            MARCH,
            {
                "plays_total": 111,
                "plays_last_7d": 42,
                "plays_last_30d": 92,
                "last_score": 677,
                "best_score": 1_302,
                "last_played_at": "2015-03-01T11:41:54.000000Z",
            },
        ),
        ("p00013", JUNE, {"plays_total": 1_124, "plays_last_7d": 0, "plays_last_30d": 0, "last_score": 162}),
    ],
)
def test_redis_answers_as_of_an_instant(
    store: FeatureStore, player: str, as_of: str, expected: dict[str, Any]
) -> None:
    online(store, as_of)
    references = [f"player_plays:{name}" for name in expected]
    (row,) = store.get_online_features([player], references, as_of).rows
    assert {name.split(":")[1]: feature.value for name, feature in row.features.items()} == expected

    joined = point_in_time(store, f"select '{player}' as player_id", as_of, references)
    if "last_played_at" in expected:
        joined["last_played_at"] = [f"{played:%Y-%m-%dT%H:%M:%S.%fZ}" for played in joined["last_played_at"]]
    assert {name: joined[name] for name in expected} == {name: [value] for name, value in expected.items()}


@needs_plays
def test_the_service_gives_online_what_the_point_in_time_join_gives(store: FeatureStore) -> None:
    online(store, JUNE)
    joined = point_in_time(store, PLAYERS, JUNE, "churn")
    rows = store.get_online_features(joined["player_id"], "churn", JUNE).rows
    assert len(rows) == 25_955
    for name in SERVICE:
        assert [row.features[f"player_plays:{name}"].value for row in rows] == joined[name]


@needs_plays
def test_the_training_set_holds_what_was_known_after_five_days(built: Example) -> None:
    assert built.query("""
        select count(*), count(*) filter (where returned), count(*) filter (where plays_total = 1)
        from return_training_set
    """) == built.query("""
        with first_plays as (
            select player_id, min(played_at) as first_played_at
            from stg_plays
            where player_id is not null
            group by 1
        ),
        counted as (
            select
                player_id,
                count(*) filter (where played_at <= first_played_at + interval 5 day) as plays,
                bool_or(
                    played_at > first_played_at + interval 5 day
                    and played_at <= first_played_at + interval 17 day
                ) as returned
            from stg_plays
            inner join first_plays using (player_id)
            group by 1
        )
        select count(*), count(*) filter (where returned), count(*) filter (where plays = 1) from counted
    """)
    assert built.query("select count(*), count(*) filter (where returned) from return_training_set") == [
        (25_955, 2_042)
    ]
    # Cut short by the end of the log, as the descriptions say.
    assert built.query("""
        select count(*), count(*) filter (where not returned)
        from return_labels
        where event_timestamp + interval 12 day > (select max(played_at) from stg_plays)
    """) == [(377, 361)]
