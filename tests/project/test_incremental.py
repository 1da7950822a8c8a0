"""Runs day by day end in the same rows as one run over everything, and never change a row."""

from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from tests.project.conftest import ROOT, Project

Rows = list[tuple[object, ...]]

MODELS = [
    "stg_events",
    "int_sessions",
    "int_player_session_days",
    "int_player_days",
    "int_player_mode_days",
    "int_player_first_uses",
    "int_player_activity",
    "int_player_profiles",
    "player_sessions",
    "player_engagement_v1",
    "player_engagement_v2",
    "player_monetization",
    "player_social",
    "player_progression",
    "player_mode",
    "player_realtime",
]
SELECTION = ["+path:models/features", "--exclude", "player_profile"]
# Within a day, at its end, and a gap of several days.
CUTS = ["2026-06-10 13:37:00", "2026-06-11 00:00:00", "2026-06-11 18:00:00", "2026-06-16 06:00:00"]


def rows_of(warehouse: Path) -> dict[str, Rows]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {model: connection.sql(f"select * from {model} order by all").fetchall() for model in MODELS}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Rows]], dict[str, Rows]]:
    project = Project(ROOT, tmp_path_factory.mktemp("incremental"))
    project.dbt("seed")
    project.run_until(SELECTION, CUTS)
    *steps, whole = [rows_of(project.folder / f"{step}.duckdb") for step in range(len(CUTS) + 1)]
    return steps, whole


@pytest.mark.parametrize("model", MODELS)
def test_incremental_runs_equal_one_whole_run(
    model: str, builds: tuple[list[dict[str, Rows]], dict[str, Rows]]
) -> None:
    steps, whole = builds
    assert steps[-1][model] == whole[model]
    assert len(steps[0][model]) < len(whole[model])


@pytest.mark.parametrize("model", [model for model in MODELS if model != "int_player_profiles"])
def test_incremental_runs_only_append(
    model: str, builds: tuple[list[dict[str, Rows]], dict[str, Rows]]
) -> None:
    steps, _ = builds
    for before, after in pairwise(steps):
        assert set(before[model]) <= set(after[model])


EVENT = """
select
    epoch_us(timestamp '2026-05-01' + interval ({day} - 1) days + to_hours({hour})) as event_timestamp,
    'level_end' as event_name,
    [{{'key': 'level', 'value': {none} }}] as event_params,
    1::bigint as event_bundle_sequence_id,
    0::bigint as event_server_timestamp_offset,
    null::double as event_value_in_usd,
    null::varchar as user_id,
    'p1' as user_pseudo_id,
    [{{'key': 'difficulty', 'value': {none} }}] as user_properties,
    {{'language': 'en'}} as device,
    {{'country': 'Chile'}} as geo,
    {{'version': '1'}} as app_info,
    {{'medium': 'organic'}} as traffic_source,
    'IOS' as platform
"""
NONE = (
    "{'string_value': null::varchar, 'int_value': null::bigint, "
    "'float_value': null::double, 'double_value': null::double}"
)


def test_what_is_loaded_behind_the_watermark_counts_from_the_next_one(tmp_path: Path) -> None:
    project, raw = Project(ROOT, tmp_path), tmp_path / "raw"
    raw.mkdir()

    def load(day: int, hour: int) -> None:
        """One event of a player in May 2026, uploaded at once."""
        with duckdb.connect() as connection:
            event = EVENT.format(day=day, hour=hour, none=NONE)
            connection.sql(f"copy ({event}) to '{raw}/{day}_{hour}.parquet'")

    def run() -> Rows:
        selection = ["--select", "stg_events", "base_firebase_events"]
        project.dbt("run", *selection, FSYNC_RAW_EVENTS="export", FSYNC_EVENTS_PATH=f"{raw}/*.parquet")
        with duckdb.connect(str(project.warehouse), read_only=True) as connection:
            return connection.sql("""
                select strftime(event_at, '%d %H'), strftime(ingested_at, '%d %H:%M:%S.%f')
                from stg_events
                order by 1
            """).fetchall()

    load(3, 10)
    load(3, 12)
    assert run() == [("03 10", "03 10:00:00.000000"), ("03 12", "03 12:00:00.000000")]

    load(3, 11)  # loaded behind the watermark, 12:00
    load(1, 5)  # the same, two days old: within the late-data budget
    assert run() == [
        ("01 05", "03 12:00:00.000001"),
        ("03 10", "03 10:00:00.000000"),
        ("03 11", "03 12:00:00.000001"),
        ("03 12", "03 12:00:00.000000"),
    ]
