import json
import threading
from datetime import datetime
from typing import Any

import pytest

from sync import FsyncError
from sync.instants import from_datetime
from sync.online.read import OnlineReader
from sync.store import SyncError
from tests.conftest import Arcade

AS_OF = "2024-03-08"


def value(arcade: Arcade, view: str, key: Any, feature: str, as_of: str = AS_OF) -> tuple[Any, str]:
    answer = (
        arcade.store().get_online_features([key], view, timestamp=as_of).rows[0].features[f"{view}:{feature}"]
    )
    return answer.value, answer.status


def test_every_view_goes_online_in_the_layout_that_is_promised(arcade: Arcade) -> None:
    results = {result.view: result for result in arcade.store().sync(as_of=AS_OF)}
    assert {view: result.rows for view, result in results.items()} == {
        "every_type": 2,
        "odd_names": 3,
        "player_activity@1": 2,
        "player_activity@2": 2,
        "player_day": 1,
        "player_mode_skill": 5,
    }
    event = from_datetime(datetime(2024, 3, 5))
    created = from_datetime(datetime(2024, 3, 6, 1))
    assert arcade.client.hget("fsync:{arcade/player_activity@2}:rows", "p1") == (
        f"{event:016}{created:016}[6,3.5]".encode()
    )
    meta = {
        k.decode(): v.decode()
        for k, v in arcade.client.hgetall("fsync:{arcade/player_activity@2}:meta").items()
    }
    assert meta.pop("synced_at") > meta["as_of"]
    assert len(meta.pop("fingerprint")) == len(meta.pop("definition")) == 16
    source = meta.pop("source")
    assert meta == {
        "layout": "3",
        "view": "player_activity",
        "version": "2",
        "join_keys": '[{"name":"player_id","type":"string"}]',
        "features": '[{"name":"sessions","type":"integer","default":0},'
        '{"name":"play_minutes","type":"float"}]',
        "ttl_us": str(30 * 86400 * 10**6),
        "as_of": str(from_datetime(datetime(2024, 3, 8))),
        "rows": "2",
        "max_event": str(event),
        "max_created": str(created),
        "shards": "1",
    }
    known = json.loads(source)
    assert (known["watermark"], known["known"]) == (1709773200000000, 6)
    assert known.keys() == {"watermark", "known", "lineage", "checksum"}
    assert arcade.client.hgetall("fsync:{arcade}:views")[b"player_activity"] == b"2"
    assert json.loads(arcade.client.hget("fsync:{arcade}:services", "churn_model")) == [
        "player_activity:sessions",
        "player_activity@1:sessions",
        "player_mode_skill:rating",
    ]
    assert not [key for key in arcade.client.scan_iter() if b"next" in key or b"old" in key or b"lock" in key]
    assert not [key for key in arcade.client.scan_iter() if arcade.client.ttl(key) != -1]
    assert not [key for key in arcade.client.scan_iter() if b"offline_only" in key]


def test_a_manifest_of_models_alone_is_enough(arcade: Arcade) -> None:
    with arcade.manifest() as manifest:
        for kind in ("sources", "exposures", "macros"):
            del manifest[kind]
        for node in manifest["nodes"].values():
            for field in ("raw_code", "language", "alias", "database", "schema", "fqn"):
                node.pop(field, None)
    assert {result.error for result in arcade.store().sync(as_of=AS_OF)} == {None}


def test_every_type_and_every_odd_key_comes_back(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    row = arcade.store().get_online_features([1], "every_type").rows[0]
    assert {name.partition(":")[2]: feature.value for name, feature in row.features.items()} == {
        "small": 1,
        "big": 9007199254740993,
        "huge": 170141183460469231731687303715884105727,
        "single": 0.1,
        "double": 0.30000000000000004,
        "exact": 12.5,
        "flag": True,
        "label": 'quote " backslash \\ newline\né🎮',
        "born": "2000-02-29",
        "seen": "2024-03-05T01:02:03.000004Z",
        "seen_tz": "2024-03-05T01:02:03.500000Z",
    }
    assert b",12.50," in arcade.client.hget("fsync:{arcade/every_type}:rows", "1")
    nulls = arcade.store().get_online_features([-2], "every_type").rows[0].features.values()
    assert {(feature.value, feature.status) for feature in nulls} == {(None, "NULL")}
    odd = arcade.store().get_online_features(["", "spieler ü,1\\", "p1"], "odd_names:it's %d {x} é")
    assert [f.value for row in odd.rows for f in row.features.values()] == ["empty key", "odd key", "a"]
    skill = [("1", "23"), ("12", "3"), ("a,b", "c\\d"), {"game_mode": "casual", "player_id": "p1"}]
    answer = arcade.store().get_online_features(skill, ["player_mode_skill:rating"], timestamp=AS_OF)
    assert answer.to_dict()["player_mode_skill:rating"] == [1.0, 2.0, 3.0, 1500.25]


def test_statuses_and_defaults(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    assert value(arcade, "player_activity", "p1", "sessions") == (6, "PRESENT")
    assert value(arcade, "player_activity@1", "p1", "sessions") == (5, "PRESENT")
    assert value(arcade, "player_activity", "p2", "play_minutes") == (None, "NULL")
    assert value(arcade, "player_activity", "nobody", "sessions") == (0, "NOT_FOUND")
    assert value(arcade, "player_activity", "nobody", "play_minutes") == (None, "NOT_FOUND")
    assert value(arcade, "player_activity", "p1", "sessions", "2024-04-04") == (6, "PRESENT")
    assert value(arcade, "player_activity", "p1", "sessions", "2024-04-04T00:00:00.000001Z") == (
        0,
        "OUTSIDE_MAX_AGE",
    )
    assert value(arcade, "player_activity", "p1", "sessions", "2024-03-06") == (0, "NOT_FOUND")


def test_a_service_needs_the_union_of_its_keys(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    answer = arcade.store().get_online_features([("p1", "casual")], "churn_model", timestamp=AS_OF)
    assert answer.to_dict() == {
        "player_id": ["p1"],
        "game_mode": ["casual"],
        "player_activity:sessions": [6],
        "player_activity@1:sessions": [5],
        "player_mode_skill:rating": [1500.25],
    }


def test_what_the_warehouse_takes_back_is_taken_back(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    arcade.execute(
        "delete from player_activity_v2 where created_timestamp = '2024-03-06 01:00:00'",
        "update player_activity_v2 set sessions = 70 where player_id = 'p2'",
    )
    (result,) = arcade.store().sync(["player_activity@2"], as_of="2024-03-09")
    assert (result.rows, result.full) == (2, "rows are gone from the warehouse")
    assert arcade.stored("player_activity@2")["p1"]["sessions"] == 5
    assert arcade.stored("player_activity@2")["p2"]["sessions"] == 70, (
        "the same instant: the warehouse is right"
    )


def test_a_correction_wins_and_who_is_gone_or_expired_vanishes(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    arcade.execute(
        "insert into player_activity_v2 values ('p1', '2024-03-05', '2024-03-08 02:00:00', 11, 0)",
        "delete from player_activity_v2 where player_id = 'p2'",
    )
    (result,) = arcade.store().sync(["player_activity@2"], as_of="2024-03-09")
    assert (result.rows, result.entities) == (1, 1)
    assert arcade.stored("player_activity@2") == {"p1": {"sessions": 11, "play_minutes": 0.0}}
    results = arcade.store().sync(["player_activity"], as_of="2024-06-30")
    assert [(r.view, r.rows, r.removed) for r in results] == [
        ("player_activity@1", 0, 2),
        ("player_activity@2", 0, 1),
    ]
    assert "past their ttl (30d)" in str(results[0].warning)
    assert arcade.stored("player_activity@2") == {}
    assert value(arcade, "player_activity", "p1", "sessions") == (0, "NOT_FOUND")


def test_going_back_in_time_must_be_meant(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    before = arcade.stored("player_day")
    with pytest.raises(SyncError, match=r"player_day is in Redis as of 2024-03-08T00:00:00Z.*--full-refresh"):
        arcade.store().sync(["player_day"], as_of="2024-03-07")
    assert arcade.stored("player_day") == before == {"p1": {"score": 20}}
    arcade.store().sync(["player_day"], as_of="2024-03-07", full_refresh=True)
    assert arcade.stored("player_day") == {"p1": {"score": 10}}


def test_nothing_stands_in_the_way_of_replaying_into_an_empty_view(arcade: Arcade) -> None:
    (result,) = arcade.store().sync(["player_day"])
    assert result.rows == 0
    assert "--as-of replays old data" in str(result.warning)
    arcade.store().sync(["player_day"], as_of=AS_OF)
    assert arcade.stored("player_day") == {"p1": {"score": 20}}


def test_a_changed_definition_rewrites_every_row(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    arcade.execute("delete from player_activity_v2 where player_id = 'p1' and event_timestamp > '2024-03-01'")
    with arcade.node("player_activity.v2") as node:
        node["checksum"]["checksum"] = "another"
    (result,) = arcade.store().sync(["player_activity@2"], as_of="2024-03-09")
    assert result.full == "the view changed"
    assert arcade.stored("player_activity@2")["p1"]["sessions"] == 3


def test_a_limit_of_drift_is_no_readers_business(arcade: Arcade) -> None:
    arcade.store().sync(["player_activity"], as_of=AS_OF)
    definition = arcade.client.hget("fsync:{arcade/player_activity@2}:meta", "definition")
    with arcade.node("player_activity.v2") as node:
        node["config"]["meta"]["drift"] = 0.1
    arcade.store().sync(["player_activity"], as_of=AS_OF, full_refresh=True)
    assert arcade.client.hget("fsync:{arcade/player_activity@2}:meta", "definition") == definition


def test_a_dry_run_touches_nothing(arcade: Arcade) -> None:
    results = arcade.store().sync(dry_run=True, as_of=AS_OF)
    assert {(result.view, result.rows) for result in results} >= {("player_activity@2", 2), ("player_day", 1)}
    assert arcade.client.dbsize() == 0
    own = arcade.store(redis_url=None)
    assert own.sync(dry_run=True, as_of=AS_OF)
    assert not (arcade.path / "target" / "redis").exists()


def test_the_bare_name_follows_the_latest_version_only_once_it_is_there(arcade: Arcade) -> None:
    arcade.store().sync(["player_activity@1"], as_of=AS_OF)
    with pytest.raises(
        FsyncError, match=r"'player_activity' of project arcade is not in Redis.*fsync online"
    ):
        value(arcade, "player_activity", "p1", "sessions")
    assert value(arcade, "player_activity@1", "p1", "sessions") == (5, "PRESENT")
    arcade.store().sync(["player_activity@2"], as_of=AS_OF)
    assert value(arcade, "player_activity", "p1", "sessions") == (6, "PRESENT")


def test_a_reader_never_sees_a_mixture(arcade: Arcade) -> None:
    count = 3000

    def fill(generation: int) -> None:
        arcade.execute(
            "delete from player_day",
            f"insert into player_day select i, date '2024-03-06', {generation} from range({count}) as t (i)",
        )

    fill(0)
    arcade.store().sync(["player_day"], as_of=AS_OF)
    stop, seen, faults = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            rows = arcade.stored("player_day")
            generations = {row["score"] for row in rows.values()}
            seen.update(generations)
            if len(generations) != 1 or len(rows) != count:
                faults.append((len(rows), generations))

    reader = threading.Thread(target=read)
    reader.start()
    for generation in range(1, 5):
        fill(generation)
        arcade.store().sync(["player_day"], as_of=AS_OF)
    stop.set()
    reader.join()
    assert faults == []
    assert len(seen) > 1


def test_python_reads_without_a_manifest(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    (arcade.path / "target" / "manifest.json").unlink()
    assert value(arcade, "player_day", "p1", "score") == (20, "PRESENT")


def test_the_same_in_another_time_zone(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> None:
    arcade.store().sync(as_of=AS_OF)
    before = {key: rows for key, rows in arcade.dump().items() if key.endswith(b":rows")}
    arcade.client.flushall()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    result = arcade.fsync("online", "--as-of", AS_OF)
    assert result.exit_code == 0, result.output
    assert {key: rows for key, rows in arcade.dump().items() if key.endswith(b":rows")} == before


def test_a_view_redefined_while_it_is_read(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> None:
    arcade.store().sync(["player_day"], as_of=AS_OF)
    fetch, answers = OnlineReader._fetch, []

    def redefine_first(*arguments: Any) -> Any:
        if not answers:
            arcade.execute("update player_day set score = 21 where day = '2024-03-07'")
            with arcade.node("player_day") as node:
                node["checksum"]["checksum"] = "another"
            arcade.store().sync(["player_day"], as_of=AS_OF)
        answers.append(fetch(*arguments))
        return answers[-1]

    monkeypatch.setattr(OnlineReader, "_fetch", redefine_first)
    assert value(arcade, "player_day", "p1", "score") == (21, "PRESENT")
    assert answers[0] is None
    assert len(answers) == 2
