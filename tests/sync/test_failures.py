"""Failures between the warehouse and Redis: one clear line, and the view as it was."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
import redis

from sync import FeatureStore
from sync.online.connect import RedisUnavailable
from sync.online.synchronize import Progress
from sync.redis_server import RedisServer
from sync.store import SyncError
from tests.conftest import Arcade

AS_OF = "2024-03-08"


def many_rows(arcade: Arcade, count: int = 20_000) -> None:
    arcade.execute(
        f"insert into player_day select 'many' || i, date '2024-03-06', i from range({count}) as t (i)"
    )


def test_nan_is_refused_before_anything_is_written(arcade: Arcade) -> None:
    arcade.execute(
        "insert into player_activity_v2 values ('p8', '2024-03-05', '2024-03-05', 1, 'nan'),"
        " ('p9', '2024-03-05', '2024-03-05', 1, '-infinity')"
    )
    error = arcade.fails("online", "--select", "player_activity@2", "--as-of", AS_OF)
    assert "player_activity@2: play_minutes is NaN or infinite in 2 rows (for example key 'p8')" in error
    assert not arcade.client.exists("fsync:{arcade/player_activity@2}:rows")


def test_one_bad_view_does_not_stop_the_others(arcade: Arcade) -> None:
    arcade.execute("insert into player_activity_v2 values ('p8', '2024-03-05', '2024-03-05', 1, 'nan')")
    result = arcade.fsync("online", "--as-of", AS_OF)
    assert result.exit_code == 1
    assert result.stderr.startswith("fsync: player_activity@2: play_minutes is NaN")
    assert len(result.stderr.splitlines()) == 1
    assert set(arcade.stored("player_mode_skill")) >= {"p1,casual"}
    assert arcade.stored("player_activity@2") == {}


def test_rows_without_a_key_are_left_out_and_told(arcade: Arcade) -> None:
    arcade.execute("insert into player_day values (null, date '2024-03-06', 1), ('p2', null, 2)")
    result = arcade.fsync("online", "--select", "player_day", "--as-of", AS_OF)
    assert result.exit_code == 1
    assert "player_day: 2 rows have a NULL in player_id, day, left out; the rest is synced" in result.stderr
    assert arcade.stored("player_day") == {"p1": {"score": 20}}


def test_rows_that_tie_are_refused(arcade: Arcade) -> None:
    arcade.execute("insert into player_day values ('p1', date '2024-03-07', 99)")
    error = arcade.fails("online", "--select", "player_day", "--as-of", AS_OF)
    assert "player_day: key 'p1' has 2 different rows with the same event and created timestamp" in error


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("drop table player_day", 'player_day" is not in the warehouse; run `dbt build --select player_day`'),
        ("alter table player_day drop score", "has no column score (known: day, player_id); run `dbt build"),
        (
            "alter table player_day rename score to scores",
            "has no column score (did you mean 'scores'?); run `dbt build --select player_day`",
        ),
        (
            "alter table player_day alter score type varchar",
            "column score is VARCHAR in the warehouse, but integer in the contract; run `dbt build",
        ),
    ],
)
def test_a_table_that_is_not_what_the_manifest_says(arcade: Arcade, statement: str, message: str) -> None:
    arcade.execute(statement)
    assert message in arcade.fails("online", "--select", "player_day", "--as-of", AS_OF)


def test_the_build_hint_names_the_version(arcade: Arcade) -> None:
    arcade.execute("drop table player_activity_v1")
    error = arcade.fails("online", "--select", "player_activity@1")
    assert "run `dbt build --select player_activity.v1`" in error


def test_no_warehouse(arcade: Arcade) -> None:
    (arcade.path / "target" / "arcade.duckdb").unlink()
    assert "no DuckDB file at" in arcade.fails("online")


def test_not_a_warehouse(arcade: Arcade) -> None:
    (arcade.path / "target" / "arcade.duckdb").write_text("this is no database" * 1000)
    assert "arcade.duckdb" in arcade.fails("online")


@pytest.fixture
def writer(arcade: Arcade) -> Iterator["subprocess.Popen[str]"]:
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    path = str(arcade.path / "target" / "arcade.duckdb")
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        yield process
        process.stdin.close()


@pytest.mark.usefixtures("writer")
def test_a_warehouse_that_another_process_writes(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.warehouse.duckdb.LOCK_WAIT_SECONDS", 0.3)
    assert "is locked by another process" in arcade.fails("online")


def test_a_warehouse_that_becomes_free(arcade: Arcade, writer: "subprocess.Popen[str]") -> None:
    assert writer.stdin is not None
    writer.stdin.close()
    assert arcade.fsync("online", "--as-of", AS_OF).exit_code == 0


def test_out_of_memory_leaves_the_view_as_it_was(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    before = arcade.dump()
    many_rows(arcade)
    arcade.client.config_set("maxmemory", arcade.client.info("memory")["used_memory"] + 300_000)
    try:
        error = arcade.fails("online", "--select", "player_day", "--as-of", AS_OF)
    finally:
        arcade.client.config_set("maxmemory", 0)
    assert "is out of memory" in error
    assert arcade.dump() == before
    assert arcade.fsync("online", "--select", "player_day", "--as-of", AS_OF).exit_code == 0
    assert len(arcade.stored("player_day")) == 20_001


def test_a_redis_that_dies_in_the_middle(arcade: Arcade, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "own")
    server.start()
    store = FeatureStore(arcade.path, redis_url=server.url)
    store.sync(["player_day"], as_of=AS_OF)
    with redis.Redis.from_url(server.url) as client:
        client.save()
    many_rows(arcade)
    pid = server.status().pid
    assert pid

    def kill(_rows: int) -> None:
        os.kill(pid, signal.SIGKILL)

    progress = Progress(lambda *_: None, kill)
    with pytest.raises(RedisUnavailable, match="cannot reach Redis at unix://"):
        list(store.sync_each(["player_day"], as_of=AS_OF, retries=0, progress=progress))
    server.start()
    try:
        answer = store.get_online_features(["p1"], "player_day", AS_OF)
        assert answer.to_dict()["player_day:score"] == [20]
        assert asyncio.run(store.get_online_features_async(["p1"], "player_day", AS_OF)) == answer
        with redis.Redis.from_url(server.url) as client:
            assert client.hlen("fsync:{arcade/player_day}:rows") == 1
    finally:
        server.stop()


def test_a_sync_that_dies_in_the_middle_leaves_nothing_for_good(arcade: Arcade) -> None:
    arcade.store().sync(["player_day"], as_of=AS_OF)
    many_rows(arcade)
    script = f"""
import os
from sync import FeatureStore
from sync.online.synchronize import Progress
store = FeatureStore({str(arcade.path)!r}, redis_url={arcade.redis_url!r})
progress = Progress(lambda *_: None, lambda *_: os._exit(9))
list(store.sync_each(["player_day"], as_of={AS_OF!r}, progress=progress))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert arcade.stored("player_day") == {"p1": {"score": 20}}
    (aside,) = [key for key in arcade.client.scan_iter() if b":next:" in key]
    assert 0 < arcade.client.ttl(aside) <= 600
    assert 0 < arcade.client.ttl("fsync:{arcade/player_day}:lock") <= 60


def test_two_syncs_of_one_view_keep_apart(arcade: Arcade) -> None:
    arcade.client.set("fsync:{arcade/player_day}:lock", "host-a:4711:token")
    error = arcade.fails("online", "--select", "player_day", "--as-of", AS_OF)
    assert "player_day is being synced by process 4711 on host-a" in error
    assert arcade.client.get("fsync:{arcade/player_day}:lock") == b"host-a:4711:token"


def test_a_sync_that_lost_its_lock_does_not_swap(arcade: Arcade) -> None:
    many_rows(arcade, 500)

    def steal(_rows: int) -> None:
        arcade.client.set("fsync:{arcade/player_day}:lock", "host-b:1:other")

    progress = Progress(lambda *_: None, steal)
    (result,) = arcade.store().sync_each(["player_day"], as_of=AS_OF, progress=progress)
    assert "another sync took over" in str(result.error)
    assert arcade.stored("player_day") == {}
    assert arcade.client.get("fsync:{arcade/player_day}:lock") == b"host-b:1:other"


def test_redis_is_down(arcade: Arcade) -> None:
    arcade.redis_url = "redis://localhost:1/0"
    for command in (["online"], ["get", "player_day", "p1"], ["redis", "status"]):
        assert "cannot reach Redis at redis://localhost:1/0" in arcade.fails(*command)


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:port/0"])
def test_what_is_no_redis_url(arcade: Arcade, url: str) -> None:
    arcade.redis_url = url
    assert "is not a Redis URL" in arcade.fails("online")


def test_passwords(arcade: Arcade, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "own")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", "secret")
        try:
            arcade.redis_url = server.url
            assert "asks for a password" in arcade.fails("online")
            arcade.redis_url = server.url.replace("unix://", "unix://:wrong@")
            error = arcade.fails("online")
            assert "refused the user or password" in error
            assert "wrong@" not in error
            arcade.redis_url = server.url.replace("unix://", "unix://:secret@")
            assert arcade.fsync("online", "--as-of", AS_OF).exit_code == 0
        finally:
            client.auth("secret")
            client.config_set("requirepass", "")
            server.stop()


def test_a_view_of_another_layout(arcade: Arcade) -> None:
    arcade.store().sync(["player_day"], as_of=AS_OF)
    arcade.client.hset("fsync:{arcade/player_day}:meta", "layout", "9")
    assert "Redis layout 9" in arcade.fails("get", "player_day", "p1")
    assert "Redis layout 9" in arcade.fails("online", "--select", "player_day", "--as-of", AS_OF)
    arcade.store().sync(["player_day"], as_of=AS_OF, full_refresh=True)
    assert arcade.fsync("get", "player_day", "p1").exit_code == 0


def test_python_raises_after_it_did_what_it_could(arcade: Arcade) -> None:
    arcade.execute("insert into player_day values (null, date '2024-03-06', 1)")
    with pytest.raises(SyncError, match="player_day: 1 row has a NULL") as caught:
        arcade.store().sync(as_of=AS_OF)
    assert len(caught.value.results) == 6


def test_the_warehouse_is_free_while_redis_is_written(arcade: Arcade) -> None:
    many_rows(arcade, 100_000)
    opened = []

    calls = iter(range(10_000))

    def write(_rows: int) -> None:
        if next(calls) % 400:
            return
        with suppress(duckdb.Error):
            arcade.execute("select 1")
            opened.append(time.monotonic())

    progress = Progress(lambda *_: None, write)
    list(arcade.store().sync_each(["player_day"], as_of=AS_OF, progress=progress))
    assert opened
