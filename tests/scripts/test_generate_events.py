"""The generator of raw events: the same bytes for the same arguments, and a game worth looking at."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
SEED = ROOT / "seeds" / "firebase_events.csv"
SEED_ARGUMENTS = "--events 5000 --players 100 --days 60 --start 2026-05-01 --seed 113 --format csv"

RECORD = "string_value VARCHAR, int_value BIGINT, float_value DOUBLE, double_value DOUBLE"
TYPES = {
    "event_date": "VARCHAR",
    "event_timestamp": "BIGINT",
    "event_name": "VARCHAR",
    "event_params": f"STRUCT(key VARCHAR, value STRUCT({RECORD}))[]",
    "event_bundle_sequence_id": "BIGINT",
    "event_server_timestamp_offset": "BIGINT",
    "event_value_in_usd": "DOUBLE",
    "user_id": "VARCHAR",
    "user_pseudo_id": "VARCHAR",
    "user_properties": f"STRUCT(key VARCHAR, value STRUCT({RECORD}, set_timestamp_micros BIGINT))[]",
    "user_first_touch_timestamp": "BIGINT",
    "device": (
        "STRUCT(category VARCHAR, mobile_brand_name VARCHAR, mobile_model_name VARCHAR, "
        "operating_system VARCHAR, operating_system_version VARCHAR, language VARCHAR)"
    ),
    "geo": "STRUCT(continent VARCHAR, country VARCHAR, region VARCHAR, city VARCHAR)",
    "app_info": "STRUCT(id VARCHAR, version VARCHAR)",
    "traffic_source": "STRUCT(name VARCHAR, medium VARCHAR, source VARCHAR)",
    "platform": "VARCHAR",
}
PARAMS = {
    "session_start": set(),
    "user_engagement": {"engagement_time_msec"},
    "level_start": {"level_name", "level"},
    "level_end": {"level_name", "level", "success"},
    "level_up": {"level", "character"},
    "post_score": {"score", "level"},
    "unlock_achievement": {"achievement_id"},
    "match_end": {"game_mode", "won", "score"},
    "in_app_purchase": {"product_id", "price", "currency", "quantity"},
    "ad_reward": {"ad_unit_name", "value", "currency"},
    "join_group": {"group_id"},
    "friend_invite": {"method"},
    "send_message": {"channel"},
    "send_gift": {"item_id"},
    "feature_used": {"feature_name"},
}
IDENTITY = "user_pseudo_id, event_timestamp, event_name, event_bundle_sequence_id"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_events", ROOT / "scripts" / "generate_events.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate_events = load()


def generate(arguments: str, out: Path) -> Path:
    assert generate_events.main([*arguments.split(), "--out", str(out)]) == 0
    return out


def ask(query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return list(connection.execute(query).fetchall())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A query over a month of 3,000 players."""
    out = generate(
        "--events 60000 --players 3000 --days 30 --start 2026-05-01", tmp_path_factory.mktemp("m") / "events"
    )
    return f"read_parquet('{out}/*.parquet')"


def test_seed_is_what_its_command_makes(tmp_path: Path) -> None:
    assert SEED_ARGUMENTS in (ROOT / "seeds" / "_seeds.yml").read_text()
    assert generate(SEED_ARGUMENTS, tmp_path / "seed.csv").read_bytes() == SEED.read_bytes()


def test_seed_holds_every_oddity() -> None:
    ((names, repeated, late, too_late, ahead, quiet),) = ask(f"""
        with events as (select *, make_timestamp(event_timestamp) as event_at from '{SEED}'),
        players as (select min(event_at) as first, max(event_at) as last from events group by user_pseudo_id)
        select
            count(distinct event_name),
            count(*) - count(distinct ({IDENTITY})),
            count(*) filter (event_server_timestamp_offset > 3600000000),
            count(*) filter (
                event_at + to_microseconds(event_server_timestamp_offset) > event_at::date + interval 4 day
            ),
            count(*) filter (event_server_timestamp_offset < 0),
            (select count(*) from players where first < '2026-05-20' and last < '2026-06-05')
        from events
    """)
    assert names == len(PARAMS)
    assert min(repeated, late, too_late, ahead, quiet) > 5


def test_sessions_cross_midnight_in_the_seed() -> None:
    ((crossing,),) = ask(f"""
        with sessions as (
            select count(distinct event_date) as days
            from '{SEED}'
            group by user_pseudo_id, json_extract(event_params, '$[0].value.int_value')
        )
        select count(*) from sessions where days > 1
    """)
    assert crossing > 2


def test_null_members_are_left_out_of_json() -> None:
    columns = [name for name, kind in TYPES.items() if "STRUCT" in kind]
    for column in columns:
        assert ask(f"""
            select count(*) from read_csv('{SEED}', all_varchar = true)
            where not json_valid({column}) or contains({column}, 'null') or contains({column}, ',}}')
        """) == [(0,)], column


@pytest.mark.parametrize("threads", [1, 3])
def test_same_arguments_same_bytes(tmp_path: Path, threads: int) -> None:
    arguments = "--events 3000 --players 300 --days 10 --start 2026-03-01"
    once = contents(generate(arguments, tmp_path / "once"))
    again = contents(generate(f"{arguments} --threads {threads}", tmp_path / "again"))
    assert len(once) == 10
    assert once == again


def test_another_seed_another_game(tmp_path: Path) -> None:
    arguments = "--events 300 --players 100 --days 3 --start 2026-03-01"
    assert contents(generate(arguments, tmp_path / "a")) != contents(
        generate(f"{arguments} --seed 8", tmp_path / "b")
    )


def test_more_days_keep_the_past(tmp_path: Path) -> None:
    short = contents(generate("--events 3000 --players 300 --days 10 --start 2026-03-01", tmp_path / "short"))
    long = contents(generate("--events 6000 --players 300 --days 20 --start 2026-03-01", tmp_path / "long"))
    assert short.items() <= long.items()


def test_an_earlier_start_keeps_what_follows(tmp_path: Path) -> None:
    generate("--events 3000 --players 300 --days 10 --start 2026-03-31", tmp_path / "late")
    generate("--events 6000 --players 300 --days 20 --until 2026-04-10", tmp_path / "early")
    late, early = (
        f"select * from read_parquet('{tmp_path}/{name}/*.parquet') where event_date >= '20260331'"
        for name in ("late", "early")
    )
    assert ask(f"select count(*) from (({early}) except all ({late}))") == [(0,)]
    assert ask(f"select count(*) from (({late}) except all ({early}))") == [(0,)]


def test_types_are_those_of_the_export(month: str) -> None:
    columns = ask(f"select column_name, replace(column_type, '\"', '') from (describe from {month})")
    assert dict(columns) == TYPES


def test_every_event_has_its_params(month: str) -> None:
    found = ask(f"""
        select event_name, list_transform(event_params, lambda p: p.key) as keys from {month} group by all
    """)
    assert {name: set(keys) - {"ga_session_id", "ga_session_number"} for name, keys in found} == PARAMS
    assert len(found) == len(PARAMS)
    assert all(keys[:2] == ["ga_session_id", "ga_session_number"] for _, keys in found)


def test_shares(month: str) -> None:
    ((rows, late, repeated, anonymous, as_text),) = ask(f"""
        select
            count(*),
            avg((event_server_timestamp_offset > 3600000000)::int),
            1 - count(distinct ({IDENTITY})) / count(*),
            avg((user_id is null)::int),
            avg((event_params[5].value.string_value is not null)::int) filter (event_name = 'level_end')
        from {month}
    """)
    assert rows == pytest.approx(60_000, rel=0.1)
    assert 0.01 < late < 0.03
    assert 0.003 < repeated < 0.007
    assert 0.2 < anonymous < 0.4
    assert 0.04 < as_text < 0.08


def test_repeats_are_uploaded_later_and_change_nothing_else(month: str) -> None:
    ((differing, at_once),) = ask(f"""
        with repeats as (
            select
                count(distinct (event_params, user_id, event_value_in_usd)) as versions,
                count(distinct event_server_timestamp_offset) as offsets
            from {month} group by {IDENTITY} having count(*) > 1
        )
        select count(*) filter (versions > 1), count(*) filter (offsets < 2) from repeats
    """)
    assert (differing, at_once) == (0, 0)


def test_days_and_uploads_lie_within_the_window(month: str) -> None:
    assert ask(f"""
        select
            min(event_date) >= '20260501' and max(event_date) = '20260530',
            max(event_timestamp + event_server_timestamp_offset) < epoch_us(timestamp '2026-05-31'),
            bool_and(event_date = strftime(make_timestamp(event_timestamp), '%Y%m%d')),
            bool_and(user_first_touch_timestamp <= event_timestamp)
        from {month}
    """) == [(True, True, True, True)]


def test_few_play_most(month: str) -> None:
    ((skew,),) = ask(
        f"select max(n) / avg(n) from (select count(*) as n from {month} group by user_pseudo_id)"
    )
    assert 15 < skew < 150


def test_levels_never_fall_and_sessions_are_counted(month: str) -> None:
    ((falls, jumps, mixed),) = ask(f"""
        with starts as (
            select
                user_pseudo_id as player,
                event_timestamp,
                event_params[2].value.int_value as number,
                max(event_params[4].value.int_value) filter (event_name = 'level_start') as level
            from {month}
            group by all
        ),
        ordered as (
            select
                level < max(level) over before as falls,
                number - lag(number) over before not in (0, 1) as jumps,
                number < max(number) over before as mixed
            from starts
            window before as (
                partition by player order by event_timestamp rows between unbounded preceding and 1 preceding
            )
        )
        select count(*) filter (falls), count(*) filter (jumps), count(*) filter (mixed) from ordered
    """)
    assert (falls, mixed) == (0, 0)
    # A session whose upload had not come by the end of the window is missing.
    assert jumps < 20


def test_a_folder_of_its_own_is_written_again(tmp_path: Path) -> None:
    out = tmp_path / "events"
    generate("--events 500 --players 100 --days 5 --start 2026-03-01", out)
    generate("--events 300 --players 100 --days 3 --start 2026-04-01", out)
    assert min(contents(out)) == "events_20260401.parquet"
    assert len(contents(out)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--days 0", "--days must be 1 or more, not 0"),
        ("--events 10 --players 1000 --days 10", "events per player and day"),
        ("--events 100000000 --players 10 --days 10", "events per player and day"),
        ("--seed -1", "--seed must lie between"),
        ("--start 1999-01-01", "between 2020 and 2100"),
        ("--threads 0", "--threads must be 1 or more"),
    ],
)
def test_bad_numbers(
    arguments: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate_events.main([*arguments.split(), "--out", str(tmp_path / "events")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "events").exists()


def test_what_others_wrote_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = tmp_path / "theirs.parquet"
    theirs.write_text("theirs")
    assert generate_events.main(["--out", str(tmp_path)]) == 2
    assert generate_events.main(["--format", "csv", "--out", str(theirs)]) == 2
    assert "theirs.parquet" in capsys.readouterr().err
    assert theirs.read_text() == "theirs"


def test_out_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert generate_events.main(["--out", str(tmp_path / "file" / "events")]) == 1
    assert "cannot write to" in capsys.readouterr().err
