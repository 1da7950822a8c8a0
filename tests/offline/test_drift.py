"""`fsync drift`: entities served at two instants, or a training set, against a reading by hand."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.engine import Engine
from sync.instants import from_datetime
from sync.monitoring.drift import view_drift
from sync.registry.views import Feature, JoinKey
from sync.warehouse.duckdb import DuckDBWarehouse
from tests.conftest import Arcade
from tests.sync.test_latest import VIEW as LATEST

START = datetime(2024, 3, 1)
VIEW = replace(
    LATEST,
    join_keys=(JoinKey("player_id", "string"),),
    features=(Feature("x", "integer"), Feature("seen", "timestamp"), Feature("tier", "string")),
    event_timestamp="event_at",
    created_timestamp="created_at",
)
HOURS = st.integers(0, 96)
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        HOURS,
        HOURS,
        st.none() | st.integers(0, 3),
        st.none() | HOURS,
        st.none() | st.sampled_from(["free", "gold"]),
    ),
    max_size=14,
    unique_by=lambda row: row[:3],
)


def hours(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(hours=number)


def served(rows: list[tuple[Any, ...]], at: int) -> list[tuple[Any, ...]]:
    """Of each entity the values of its newest row, by (event, created), within 48 hours."""
    newest: dict[str, tuple[Any, ...]] = {}
    for key, event, created, *values in rows:
        if created <= at and at - 48 <= event <= at:
            newest[key] = max(newest.get(key, (-1, -1)), (event, created, *values), key=lambda row: row[:2])
    return [row[2:] for row in newest.values()]


def mean(values: list[float]) -> Any:
    return pytest.approx(sum(values) / len(values)) if values else None


@settings(max_examples=60)
@given(ROWS, st.integers(1, 95), HOURS)
def test_the_entities_served_at_both_instants_are_compared(
    rows: list[tuple[Any, ...]], before: int, later: int
) -> None:
    instants = (before, before + 1 + later)
    with duckdb.connect() as connection, Engine() as engine:
        connection.execute(
            "create table rows (player_id varchar, event_at timestamp, created_at timestamp, "
            "x bigint, seen timestamp, tier varchar)"
        )
        for key, event, created, x, seen, tier in rows:
            values = [key, hours(event), hours(created), x, hours(seen), tier]
            connection.execute("insert into rows values (?, ?, ?, ?, ?, ?)", values)
        at = [from_datetime(START + timedelta(hours=number)) for number in instants]
        found = view_drift(VIEW, DuckDBWarehouse(connection), engine, *at)
    expected = [served(rows, number) for number in instants]
    assert found.rows == tuple(map(len, expected))
    if not all(expected):
        assert found.features == []
        return
    x, seen, tier = [one.shift for one in found.features]
    for side, number in enumerate(instants):
        assert x.means[side] == mean([row[0] for row in expected[side] if row[0] is not None])
        ages = [(number - row[1]) / 24 for row in expected[side] if row[1] is not None]
        assert seen.means[side] == mean(ages)
        for name in {row[2] for row in expected[0]} - {None}:
            share = sum(row[2] == name for row in expected[side]) / len(expected[side])
            assert {one.name: one[1 + side] for one in tier.bins}[name] == pytest.approx(share)


SESSIONS = "player_activity@2:sessions"
OPTIONS = ("--select", "player_activity@2", "--as-of", "2024-03-20")


def fill(arcade: Arcade, entities: int = 400) -> None:
    """The same players on the 10th, with 0 to 9 sessions, and on the 18th, with 5 to 9."""
    arcade.execute(
        f"""create or replace table player_activity_v2 as
        select
            'p' || player as player_id, stamp as event_timestamp, stamp as created_timestamp,
            (case when day = 18 then least(5 + player % 10, 9) else player % 10 end)::bigint as sessions,
            case when player % 4 > 0 then player % 10 end::double as play_minutes
        from range({entities}) as players (player), (values (10), (18)) as days (day),
        lateral (select make_timestamp(2024, 3, day, 0, 0, 0)) as stamped (stamp)"""
    )


def test_what_drifted_is_told_and_fails(arcade: Arcade) -> None:
    fill(arcade)
    result = arcade.fsync("drift", *OPTIONS)
    assert (result.exit_code, result.stderr) == (1, "")
    assert (
        result.stdout
        == """\
player_activity@2: 400 entities at 2024-03-13T00:00:00Z, 400 entities at 2024-03-20T00:00:00Z

feature                           psi  limit   null  after   mean  after  moved most
------------------------------  -----  -----  -----  -----  -----  -----  ------------------  -------
player_activity@2:sessions      4.346   0.25   0.0%   0.0%    4.5      8  > 8: 10.0% → 60.0%  drifted
player_activity@2:play_minutes  0.000   0.25  25.0%  25.0%  4.667  4.667

1 of 2 features drifted
"""
    )


def features(arcade: Arcade, *options: str) -> dict[str, Any]:
    result = arcade.fsync("drift", *OPTIONS, *options, "--json")
    (view,) = json.loads(result.stdout)["views"]
    assert result.exit_code == view["drifted"]
    found: dict[str, Any] = view["features"]
    return found


@pytest.mark.parametrize(
    ("of_view", "of_column", "limit"),
    [
        ({}, {}, 0.25),
        ({"drift": 5}, {}, 5.0),
        ({"drift": 5}, {"drift": 0.5}, 0.5),
        ({}, {"drift": False}, None),
    ],
)
def test_the_limit_is_the_columns_or_the_views(
    arcade: Arcade, of_view: dict[str, Any], of_column: dict[str, Any], limit: float | None
) -> None:
    fill(arcade)
    with arcade.node("player_activity.v2") as node:
        node["config"]["meta"] |= of_view
        node["columns"]["sessions"].setdefault("config", {})["meta"] = of_column
    sessions = features(arcade)["sessions"]
    assert sessions["limit"] == limit
    assert sessions["drifted"] == (limit is not None and limit < sessions["population_stability_index"])


def test_what_a_few_rows_may_do_by_chance_is_no_drift(arcade: Arcade) -> None:
    fill(arcade, entities=10)
    sessions = features(arcade)["sessions"]
    assert 4 < sessions["population_stability_index"] < sessions["noise"]
    assert not sessions["drifted"]
    result = arcade.fsync("drift", *OPTIONS)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[4].endswith("too few rows to tell")


def test_an_instant_before_the_history_has_nothing_to_compare(arcade: Arcade) -> None:
    fill(arcade)
    result = arcade.fsync("drift", *OPTIONS, "--baseline", "2024-03-01")
    assert (result.exit_code, result.stdout) == (
        0,
        "player_activity@2: 0 entities at 2024-03-01T00:00:00Z, 400 entities at 2024-03-20T00:00:00Z: "
        "nothing to compare\n0 of 0 features drifted\n",
    )


def test_personal_data_is_not_shown(arcade: Arcade) -> None:
    arcade.execute(
        """create or replace table every_type as
        select * replace (event_timestamp + to_days(n) as event_timestamp, n || ' Elm Street' as label)
        from every_type, range(3) as days (n)"""
    )
    options = ("drift", "-s", "every_type", "--baseline", "2024-03-05", "--as-of", "2024-03-06T00:00:00Z")
    result = arcade.fsync(*options)
    (line,) = [one for one in result.stdout.splitlines() if one.startswith("every_type:label")]
    assert "(personal): 100.0% → 0.0%" in line
    found = json.loads(arcade.fsync(*options, "--json").stdout)["views"][0]["features"]
    assert found["label"]["bins"] == []
    assert "Elm" not in result.stdout + json.dumps(found)
    assert [one["name"] for one in found["flag"]["bins"]] == ["true", "NULL"]


def born(arcade: Arcade, as_of: str) -> list[str]:
    lines = arcade.fsync("drift", "-s", "every_type", "--as-of", as_of).stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("every_type:born")]
    return line.split(maxsplit=7)[5:]


def test_times_are_compared_by_their_age(arcade: Arcade) -> None:
    arcade.execute(
        """create or replace table every_type as
        select * replace (
            timestamp '2024-03-01' + to_days(n) as event_timestamp,
            case when n < 8 then date '2024-02-20' + n::int end as born
        )
        from every_type, range(10) as days (n)
        where item_id = 1"""
    )
    assert born(arcade, "2024-03-08")[:2] == ["10", "10"]
    assert born(arcade, "2024-03-08T12:00")[:2] == ["10.5", "10.5"]
    mean, after, moved = born(arcade, "2024-03-09")
    assert (mean, after) == ("10", "-")
    assert moved.startswith("NULL: 0.0% → 100.0% ")
    seen = arcade.fsync("drift", "-s", "every_type", "--as-of", "2024-03-10", "--baseline", "4d").stdout
    for age in ("0.95691", "0.956904"):
        assert f"≤ {age} days old: 100.0% → 0.0%" in seen


@pytest.fixture
def training_set(arcade: Arcade, tmp_path: Path) -> Path:
    """Of the players on the 12th, when they had 0 to 9 sessions."""
    fill(arcade)
    spine = pyarrow.table(
        {
            "player_id": [f"p{n}" for n in range(400)],
            "at": [datetime(2024, 3, 12)] * 400,
            "label": [True] * 400,
        }
    )
    path = tmp_path / "train it's.parquet"
    made = arcade.store().get_historical_features(
        spine, [SESSIONS], timestamp="at", ages=True, full_names=True
    )
    assert made.write_parquet(path) == 400
    return path


def test_a_training_set_says_what_is_compared(arcade: Arcade, training_set: Path) -> None:
    result = arcade.fsync("drift", "--as-of", "2024-03-20", "--baseline", str(training_set))
    assert result.exit_code == 1
    first, _, _, _, sessions, _, last = result.stdout.splitlines()
    assert first == (
        "player_activity@2: 400 rows of train it's.parquet, 400 entities at 2024-03-20T00:00:00Z"
    )
    assert sessions.split()[:2] == [SESSIONS, "4.346"]
    assert last == "1 of 1 feature drifted"
    same = arcade.fsync("drift", "--as-of", "2024-03-12", "--baseline", str(training_set), "--json")
    assert same.exit_code == 0
    (view,) = json.loads(same.stdout)["views"]
    assert (view["rows"], view["redefined"]) == ([400, 400], False)
    assert view["features"]["sessions"]["population_stability_index"] == 0


def test_a_training_set_of_another_definition(arcade: Arcade, training_set: Path) -> None:
    options = ("drift", "--as-of", "2024-03-12", "--baseline", str(training_set))
    with arcade.node("player_activity.v2") as node:
        node["checksum"]["checksum"] = "another"
    assert arcade.fsync(*options).stdout.splitlines()[0].endswith("; defined otherwise since")
    with arcade.node("player_activity.v2") as node:
        node["columns"]["sessions"] |= {"data_type": "varchar", "config": {}, "meta": {}}
    arcade.execute("alter table player_activity_v2 alter sessions type varchar")
    assert fails(arcade, *options[1:]) == (
        f"fsync: {training_set} holds {SESSIONS} as bigint, the view as string; make the training set anew"
    )
    with arcade.manifest() as manifest:
        manifest["exposures"] = {}
    with arcade.node("player_activity.v2") as node:
        node["columns"]["session"] = node["columns"].pop("sessions") | {"name": "session"}
    assert f"holds {SESSIONS}, which the view no longer has (did you mean 'session'?)" in fails(
        arcade, *options[1:]
    )
    with arcade.manifest() as manifest:
        del manifest["nodes"]["model.arcade.player_activity.v2"]
    assert "holds features of player_activity@2, which is no feature view any more" in fails(
        arcade, *options[1:]
    )


def test_a_training_set_that_lost_a_column(arcade: Arcade, training_set: Path) -> None:
    options = ("--as-of", "2024-03-20", "--baseline", str(training_set))
    whole = pyarrow.parquet.read_table(training_set)
    pyarrow.parquet.write_table(whole.drop_columns(["at", "player_id"]), training_set)
    assert arcade.fsync("drift", *options).exit_code == 1
    pyarrow.parquet.write_table(whole.drop_columns(["player_activity_v2__sessions"]), training_set)
    assert "has no column player_activity_v2__sessions any more" in fails(arcade, *options)


def test_a_training_set_that_lost_its_instants_tells_no_ages(arcade: Arcade, tmp_path: Path) -> None:
    spine = pyarrow.table({"item_id": [1], "event_timestamp": [datetime(2024, 3, 8)]})
    made = arcade.store().get_historical_features(spine, ["every_type:born", "every_type:small"])
    path = tmp_path / "items.parquet"
    made.write_parquet(path)
    options = ("--as-of", "2024-03-08", "--baseline", str(path))
    assert arcade.fsync("drift", *options).exit_code == 0
    pyarrow.parquet.write_table(made.to_arrow().drop_columns(["event_timestamp"]), path)
    assert "has no column event_timestamp any more, which every_type is compared by" in fails(
        arcade, *options
    )


def fails(arcade: Arcade, *options: str) -> str:
    result = arcade.fsync("drift", *options)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    return result.stderr.strip()


def test_what_cannot_be_compared(arcade: Arcade, training_set: Path, tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"sessions": [1]}), tmp_path / "bare.parquet")
    (tmp_path / "text.parquet").write_text("sessions\n1\n")
    for baseline, words in (
        ("soon", "baseline is 'soon'; write a duration such as 7d, a timestamp such as 2024-03-08T12:00:00Z"),
        ("2024-03-20", "baseline is 2024-03-20; it must lie after 1970 and before 2024-03-20T00:00:00Z"),
        ("99999d", "baseline is 99999d; it must lie after 1970"),
        ("none.parquet", "there is no file none.parquet"),
        (str(tmp_path), "write a duration"),
        (str(tmp_path / "text.parquet"), "text.parquet: Parquet magic bytes not found"),
        (
            str(tmp_path / "bare.parquet"),
            "does not say which features it holds; files that `fsync historical`",
        ),
    ):
        assert words in fails(arcade, "--as-of", "2024-03-20", "--baseline", baseline)
    chosen = fails(arcade, "-s", "player_day", "--baseline", str(training_set))
    assert chosen.endswith("holds no feature of player_day; it holds those of player_activity@2")
    assert "did you mean 'player_day'?" in fails(arcade, "-s", "player_dya")
    arcade.execute("drop table player_activity_v2")
    assert "is not in the warehouse; run `dbt build --select" in fails(arcade, *OPTIONS)
