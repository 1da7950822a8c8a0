"""What a training set is made of: spines of every kind, names, options, metadata, the same bytes again."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

from sync import FsyncError
from tests.conftest import Arcade

AT = datetime(2024, 3, 8)
SPINE = [
    ("p2", AT, "b"),
    ("p1", AT, "a"),
    ("p1", datetime(2024, 3, 5, 12), "c"),
    (None, AT, "d"),
    ("p2", AT, "b"),
]
SESSIONS = [7, 6, 5, 0, 7]


def spine_table() -> pyarrow.Table:
    columns = [list(column) for column in zip(*SPINE, strict=True)]
    return pyarrow.table(columns, ["player_id", "event_timestamp", "note"])


def make(arcade: Arcade, spine: Any, *features: str, **options: Any) -> list[dict[str, Any]]:
    result = arcade.store().get_historical_features(spine, list(features), **options)
    rows: list[dict[str, Any]] = result.to_arrow().to_pylist()
    return rows


def test_any_kind_of_spine_in_its_own_order(shared: Arcade, tmp_path: Path) -> None:
    table = spine_table()
    pyarrow.parquet.write_table(table, tmp_path / "spine.parquet")
    with duckdb.connect() as connection:
        connection.register("spine", table)
        connection.sql("copy spine to '" + str(tmp_path / "spine.csv") + "' (header)")
    sql = f"select * from read_parquet('{tmp_path}/spine.parquet')"
    for spine in (
        table,
        tmp_path / "spine.parquet",
        str(tmp_path / "spine.parquet"),
        str(tmp_path / "spine.csv"),
        sql,
    ):
        rows = make(shared, spine, "player_activity:sessions")
        assert [row["note"] for row in rows] == [note for _, _, note in SPINE]
        assert [row["sessions"] for row in rows] == SESSIONS


def test_a_model_is_a_spine(shared: Arcade) -> None:
    rows = make(shared, "player_activity", "player_day:score")
    assert len(rows) == 7
    assert rows == make(shared, "player_activity@2", "player_day:score")
    assert len(make(shared, "player_activity@1", "player_day:score")) == 3


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_other_libraries(shared: Arcade, library: str) -> None:
    frames = pytest.importorskip(library)
    columns = dict(zip(["player_id", "event_timestamp", "note"], zip(*SPINE, strict=True), strict=True))
    frame = frames.DataFrame({name: list(values) for name, values in columns.items()})
    if library == "pandas":
        frame = frame[frame["note"] != "x"].iloc[[0, 1, 2, 3, 4]]
    result = shared.store().get_historical_features(frame, ["player_activity:sessions"])
    assert result.to_arrow().column_names == ["player_id", "event_timestamp", "note", "sessions"]
    assert result.to_arrow()["sessions"].to_pylist() == SESSIONS
    back = result.to_pandas() if library == "pandas" else frames.DataFrame(result)
    assert list(back["sessions"]) == SESSIONS


def test_types_of_arrow_that_duckdb_does_not_know(shared: Arcade) -> None:
    half = pyarrow.array([0.5, 1.5, None, 2.5, 3.5], pyarrow.float16())
    found = make(shared, spine_table().append_column("half", half), "player_activity:sessions")
    assert [row["half"] for row in found] == half.to_pylist()
    wide = pyarrow.array([[1]] * 5, pyarrow.list_(pyarrow.decimal256(50)))
    with pytest.raises(FsyncError, match=r"column wide is list<item: decimal256\(50, 0\)>; cast it"):
        make(shared, spine_table().append_column("wide", wide), "player_activity:sessions")


@pytest.mark.parametrize(
    "at",
    [
        "timestamp '2024-03-05 01:00:00'",
        "timestamptz '2024-03-05 03:00:00+02'",
        "'2024-03-05 01:00:00'::timestamp_ns",
        "'2024-03-05 01:00:00'::timestamp_s",
    ],
)
def test_times_of_every_kind_are_utc(shared: Arcade, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    spine = (
        f"select 'p1' as player_id, {at} as event_timestamp union all select 'p1', ({at}) - interval 1 second"
    )
    assert [row["sessions"] for row in make(shared, spine, "player_activity:sessions")] == [5, 3]


def test_a_date_is_its_first_instant(shared: Arcade) -> None:
    spine = "select 'p1' as player_id, date '2024-03-07' as event_timestamp"
    assert make(shared, spine, "player_day:score")[0]["score"] == 10


def test_csv_keeps_a_key_that_looks_like_a_number(arcade: Arcade, tmp_path: Path) -> None:
    arcade.execute("update player_activity_v2 set player_id = '007' where player_id = 'p1'")
    path = tmp_path / "spine.csv"
    path.write_text("player_id,event_timestamp,weight\n007,2024-03-08,1.5\n7,2024-03-08T02:00:00+02:00,2\n")
    rows = make(arcade, path, "player_activity:sessions")
    assert [(row["player_id"], row["sessions"]) for row in rows] == [("007", 6), ("7", 0)]
    assert rows[0]["event_timestamp"] == rows[1]["event_timestamp"]


def test_names_versions_ages_defaults(shared: Arcade) -> None:
    spine = "select 'p1' as player_id, 'casual' as game_mode, timestamp '2024-03-08' as at, 1 as sessions"
    features = ["player_activity@1:sessions", "player_activity:sessions", "player_mode_skill:rating"]
    (row,) = make(shared, spine, *features, timestamp="at", full_names=True, ages=True)
    assert list(row)[4:] == [
        "player_activity_v1__sessions",
        "player_activity_v1__age",
        "player_activity__sessions",
        "player_activity__age",
        "player_mode_skill__rating",
        "player_mode_skill__age",
    ]
    assert [row["player_activity_v1__sessions"], row["player_activity__sessions"]] == [5, 6]
    assert row["player_activity__age"] == 3 * 86400
    nobody = "select 'x' as player_id, timestamp '2024-03-08' as event_timestamp"
    assert make(shared, nobody, "player_activity:sessions")[0]["sessions"] == 0
    assert make(shared, nobody, "player_activity:sessions", defaults=False)[0]["sessions"] is None


def test_names_that_need_quotes(shared: Arcade) -> None:
    spine = """select 'p1' as "Player Id", timestamp '2024-03-08' as "the time" """
    (row,) = make(
        shared, spine, "odd_names:select", "odd_names:it's %d {x} é", timestamp="the time", full_names=True
    )
    assert row["odd_names__select"] == 1
    assert row["odd_names__it's %d {x} é"] == "a"


def test_features_of_every_type(shared: Arcade, tmp_path: Path) -> None:
    names = ["small", "big", "single", "double", "exact", "flag", "label", "born", "seen", "seen_tz"]
    spine = "select unnest([1, -2])::bigint as item_id, timestamp '2024-03-08' as event_timestamp"
    result = shared.store().get_historical_features(spine, [f"every_type:{name}" for name in names])
    first, second = result.to_arrow().to_pylist()
    assert first["big"] == 9007199254740993
    assert first["label"] == 'quote " backslash \\ newline\né🎮'
    assert all(second[name] is None for name in names)
    result.write_parquet(tmp_path / "out.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").equals(result.to_arrow())


def test_late_rows_and_corrections_only_with_hindsight(shared: Arcade) -> None:
    spine = "select 'p1' as player_id, timestamp '2024-03-05 12:00:00' as event_timestamp"
    assert make(shared, spine, "player_activity:sessions")[0]["sessions"] == 5
    assert make(shared, spine, "player_activity:sessions", hindsight=True)[0]["sessions"] == 6


def test_the_file_tells_what_it_is_made_of(arcade: Arcade, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    done = arcade.fsync(
        "historical",
        "--spine",
        "player_mode_skill",
        "--service",
        "churn_model",
        "--full-names",
        "-o",
        str(out),
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{out}: 5 rows, 3 columns added, ")
    told = json.loads(pyarrow.parquet.read_schema(out).metadata[b"fsync"])
    assert told["service"] == "churn_model"
    assert told["columns"] == {
        "player_activity__sessions": "player_activity@2:sessions",
        "player_activity_v1__sessions": "player_activity@1:sessions",
        "player_mode_skill__rating": "player_mode_skill:rating",
    }
    assert pyarrow.parquet.read_schema(out).names[5:] == list(told["columns"])
    assert set(told["views"]) == {"player_activity@1", "player_activity@2", "player_mode_skill"}
    assert told["spine"] == {"kind": "model", "name": "player_mode_skill"}
    with arcade.node("player_mode_skill") as node:
        node["raw_code"] += "\n-- changed"
    again = (
        arcade.store().get_historical_features("player_mode_skill", "churn_model", full_names=True).metadata
    )
    changed = [view for view in told["views"] if told["views"][view] != again["views"][view]]
    assert changed == ["player_mode_skill"]
    was, now = (found["views"]["player_mode_skill"] for found in (told, again))
    assert was["state"] == now["state"]
    assert set(was["state"]["features"]) == {"rating"}


def test_the_file_tells_the_fingerprint_of_each_feature(arcade: Arcade) -> None:
    def fingerprints() -> dict[str, str]:
        features = ["player_activity:sessions", "player_activity:play_minutes", "player_day:score"]
        found = arcade.store().get_historical_features(spine_table(), features).metadata["views"]
        return {
            f"{view}:{name}": feature["expression"]
            for view, told in found.items()
            for name, feature in told["state"]["features"].items()
        }

    def edit(old: str, new: str) -> None:
        with arcade.node("player_activity.v2") as node:
            assert old in node["raw_code"]
            node["raw_code"] = node["raw_code"].replace(old, new)

    first = fingerprints()
    assert set(first) == {
        "player_activity@2:sessions",
        "player_activity@2:play_minutes",
        "player_day:score",
    }
    edit("    sessions,\n", "    -- of a week\n    sessions,\n")
    assert fingerprints() == first
    edit("    sessions,\n", "    sessions + 1 as sessions,\n")
    assert {name for name, found in fingerprints().items() if found != first[name]} == {
        "player_activity@2:sessions"
    }
    state = json.loads((arcade.path / "target" / "fsync" / "current.json").read_text())["state"]
    assert state["views"]["player_day"]["features"]["score"]["expression"] == first["player_day:score"]


def test_made_again_after_new_data_it_is_the_same_bytes(arcade: Arcade, tmp_path: Path) -> None:
    spine = tmp_path / "spine.parquet"
    with duckdb.connect() as connection:
        connection.sql(
            "copy (select 'p' || i % 5 as player_id, timestamp '2024-03-01' + interval (i % 20000) minute "
            f"as event_timestamp, i from range(300_000) as r (i)) to '{spine}'"
        )

    def made(name: str, *options: str) -> bytes:
        out = tmp_path / name
        features = "player_activity:sessions,player_activity:play_minutes,player_day:score"
        done = arcade.fsync(
            "historical", "--spine", str(spine), "--features", features, "-o", str(out), *options
        )
        assert done.exit_code == 0, done.output
        return out.read_bytes()

    bounded = ("--as-known-at", "2024-03-08", "--ages")
    first, free = made("first", *bounded), made("free")
    arcade.execute(
        "insert into player_activity_v2 values ('p1', '2024-03-06', '2024-03-08 00:00:00.000001', 100, 1.0)",
        "insert into player_activity_v2 values ('p2', '2024-03-02', '2024-03-09', 100, 1.0)",
        "insert into player_day values ('p1', '2024-03-09', 100)",
    )
    assert made("again", *bounded) == first
    assert made("free again") != free
    profiles = arcade.path / "profiles.yml"
    profiles.write_text(profiles.read_text().replace("{TimeZone: UTC}", "{TimeZone: UTC, threads: 1}"))
    assert made("one thread", *bounded) == first
    rows = pyarrow.parquet.read_table(tmp_path / "again")
    assert rows["i"].to_pylist() == list(range(300_000))
    assert max(value for value in rows["sessions"].to_pylist()) < 100


def test_an_empty_spine_is_a_file_without_rows(shared: Arcade, tmp_path: Path) -> None:
    (tmp_path / "spine.csv").write_text("player_id,event_timestamp\n")
    out = tmp_path / "out.parquet"
    done = shared.fsync(
        "historical", "--spine", str(tmp_path / "spine.csv"), "--features", "player_day:score", "-o", str(out)
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{out}: 0 rows, 1 column added")
    table = pyarrow.parquet.read_table(out)
    assert table.num_rows == 0
    assert table.schema.names == ["player_id", "event_timestamp", "score"]
    untyped = pyarrow.table({"player_id": pyarrow.nulls(0), "event_timestamp": pyarrow.nulls(0)})
    assert make(shared, untyped, "player_day:score") == []


def test_times_that_are_missing_or_to_come_get_a_word(shared: Arcade, tmp_path: Path) -> None:
    spine = "select 'p1' as player_id, unnest([null, timestamp '2222-01-01']) as event_timestamp"
    options = ["historical", "--spine", spine, "--features", "player_activity:sessions", "--force"]
    done = shared.fsync(*options, "-o", str(tmp_path / "out.parquet"))
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "fsync: 1 row of the spine without a timestamp: no features there",
        "fsync: the spine reaches into the future (2222-01-01T00:00:00Z): "
        "what is known there may still change",
    ]
