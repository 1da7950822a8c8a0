"""Killed at any instant: the view is whole, and the next run mends what is left."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
import redis

from sync import FeatureStore, FsyncError
from sync.online.run import SyncResult
from sync.online.synchronize import Progress
from tests.conftest import Arcade
from tests.online.conftest import Start

VIEW = "player_activity@2"
ROWS = "fsync:{arcade/player_activity@2}:rows"
LOCK = "fsync:{arcade/player_activity@2}:lock"
COUNT = 20_000
KILLS, RESTARTS = 40, 8
# A process that has imported all and opened nothing, and a child of it for each run.
FORKS = """
import os, sys
import sync.online.synchronize, sync.warehouse.duckdb
from sync import FeatureStore
for line in sys.stdin:
    as_of, mode = line.strip().rsplit(" ", 1)
    child = os.fork()
    if child == 0:
        store = FeatureStore(sys.argv[1], redis_url=sys.argv[2])
        store.registry, store.target
        print(os.getpid(), flush=True)
        store.sync([sys.argv[3]], as_of=as_of, full_refresh=mode == "full")
        os._exit(0)
    os.waitpid(child, 0)
    print("done", flush=True)
"""
SYNC = """
import sys
from sync import FeatureStore
store = FeatureStore(sys.argv[1], redis_url=sys.argv[2])
store.registry, store.target
print("ready", flush=True)
store.sync([sys.argv[3]], as_of=sys.argv[4], full_refresh=sys.argv[5] == "full", max_speed=False)
"""


def generation(arcade: Arcade, number: int) -> None:
    """Every player gets a row, created in the next hour, that says which generation it is of."""
    hour = f"timestamp '2024-03-01' + interval {number} hour"
    rows = f"select 'p' || i, {hour}, {hour}, {number}, 0 from range({COUNT}) as t (i)"
    arcade.execute(f"insert into player_activity_v2 {rows}")


def as_of(number: int) -> str:
    return f"2024-03-{1 + number // 24:02} {number % 24:02}:30:00"


def generations(client: "redis.Redis") -> set[int]:
    return {int(row[33:].split(b",")[0].rstrip(b"]")) for row in client.hgetall(ROWS).values()}


@pytest.mark.parametrize("mode", ["full", "changes"])
def test_a_client_that_is_killed_at_random_instants(arcade: Arcade, mode: str) -> None:
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 0)
    store = arcade.store()
    store.sync([VIEW], as_of=as_of(0))
    seed, amid, seconds = random.randrange(10**9), 0, 0.3
    print("seed", seed)
    chance = random.Random(seed)
    with subprocess.Popen(
        [sys.executable, "-c", FORKS, str(arcade.path), arcade.redis_url, VIEW],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as forks:
        assert forks.stdin
        assert forks.stdout
        for number in range(1, KILLS + 1):
            generation(arcade, number)
            print(as_of(number), mode, file=forks.stdin, flush=True)
            child = int(forks.stdout.readline())
            time.sleep(chance.uniform(0, seconds))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            assert forks.stdout.readline() == "done\n"
            found = generations(arcade.client)
            assert found <= {number - 1, number}, "a row of a generation that was already replaced"
            assert arcade.client.hlen(ROWS) == COUNT
            if mode == "full":
                assert len(found) == 1, "old or new, never a mixture"
            # The killed run's lease, which another run would wait for.
            amid += arcade.client.delete(LOCK)
            (result,) = store.sync([VIEW], as_of=as_of(number), full_refresh=mode == "full")
            assert generations(arcade.client) == {number}, result
            assert result.entities == COUNT
            # Not much longer than a run takes on this machine.
            seconds = result.seconds * 1.3
    left = [key for key in arcade.client.scan_iter() if b":next:" in key or b":old:" in key]
    ttls = {key: arcade.client.ttl(key) for key in left}
    assert all(0 < ttl <= 600 for ttl in ttls.values()), ttls
    assert amid > KILLS / 4, "killed while it had the lock"


def test_a_redis_that_is_killed_and_restarted_under_load(arcade: Arcade, start: Start) -> None:
    arcade.execute("delete from player_activity_v2")
    server = start("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    store = FeatureStore(arcade.path, redis_url=server.url)
    seed = random.randrange(10**9)
    print("seed", seed)
    chance = random.Random(seed)
    breakers: list[threading.Thread] = []

    def restart() -> None:
        time.sleep(chance.uniform(0, 0.3))
        server.kill()
        time.sleep(0.3)
        server.start()

    def reading(*_: object) -> None:
        if breakers[-1].ident is None:
            breakers[-1].start()

    progress = Progress(reading, lambda _rows: None)
    for number in range(RESTARTS):
        generation(arcade, number)
        breakers.append(threading.Thread(target=restart))
        try:
            # It is tried again by itself.
            (result,) = store.sync_each([VIEW], as_of=as_of(number), progress=progress, wait="90s")
        finally:
            breakers[-1].join()
        server.loaded()
        with redis.Redis.from_url(server.url) as client:
            assert generations(client) == {number}, result
            assert client.hlen(ROWS) == COUNT
    store.close()


def test_a_network_that_is_cut_is_tried_again(arcade: Arcade) -> None:
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 1)
    told: list[str] = []
    cuts = iter(range(2))

    def cut(_rows: int) -> None:
        if next(cuts, None) is not None:
            arcade.client.client_kill_filter(_type="normal", skipme=True)

    progress = Progress(lambda *_: None, cut, lambda _view, error, _seconds: told.append(error))
    (result,) = arcade.store().sync_each([VIEW], as_of=as_of(1), progress=progress, wait="5s")
    assert result.entities == COUNT
    assert len(told) in (1, 2)
    assert "cannot reach Redis" in told[0]


def test_memory_that_ends_amid_changes_moves_no_watermark(arcade: Arcade) -> None:
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 0)
    arcade.store().sync([VIEW], as_of=as_of(0))
    hour = "timestamp '2024-03-01 01:00:00'"
    rows = f"select 'new' || i, {hour}, {hour}, 1, 0 from range({COUNT}) as t (i)"
    arcade.execute(f"insert into player_activity_v2 {rows}")
    arcade.client.config_set("maxmemory", arcade.client.info("memory")["used_memory"] + 900_000)
    try:
        with pytest.raises(FsyncError, match="out of memory"):
            arcade.store().sync([VIEW], as_of=as_of(1))
    finally:
        arcade.client.config_set("maxmemory", 0)
    (result,) = arcade.store().sync([VIEW], as_of=as_of(1))
    assert (result.full, result.rows, result.entities) == (None, COUNT, 2 * COUNT)


def test_two_writers_take_turns(arcade: Arcade) -> None:
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 1)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            arcade.store().sync([VIEW], as_of=as_of(1), full_refresh=True, wait="60s")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert arcade.client.hlen(ROWS) == COUNT


def test_a_stalled_writer_does_not_write_over_its_successor(arcade: Arcade) -> None:
    """Stopped amid changes, its lock taken by a run that redefines the view; then it goes on."""
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 0)
    arcade.store().sync([VIEW], as_of=as_of(0))
    generation(arcade, 1)
    child = subprocess.Popen(
        [sys.executable, "-c", SYNC, str(arcade.path), arcade.redis_url, VIEW, as_of(1), "changes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        deadline = time.monotonic() + 20
        while generations(arcade.client) == {0} and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(child.pid, signal.SIGSTOP)
        amid = generations(arcade.client)
        arcade.client.delete(LOCK)
        generation(arcade, 2)
        with arcade.node("player_activity.v2") as node:
            node["checksum"]["checksum"] = "another"
        arcade.store().sync([VIEW], as_of=as_of(2))
        os.kill(child.pid, signal.SIGCONT)
        child.wait(30)
        error = child.stderr.read()
    assert generations(arcade.client) == {2}
    if amid == {0, 1}:
        assert "another sync took over" in error


def test_a_stalled_writer_does_not_bring_back_what_its_successor_removed(arcade: Arcade) -> None:
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 0)
    arcade.store().sync([VIEW], as_of=as_of(0))
    generation(arcade, 1)
    succeeded: list[SyncResult] = []

    def stall(_rows: int) -> None:
        if not succeeded:
            arcade.client.delete(LOCK)
            arcade.execute("delete from player_activity_v2 where player_id <> 'p1'")
            succeeded.extend(arcade.store().sync([VIEW], as_of=as_of(1)))

    (stalled,) = arcade.store().sync_each([VIEW], as_of=as_of(1), progress=Progress(lambda *_: None, stall))
    assert succeeded[0].full == "rows of a sync that was interrupted are gone"
    assert "another sync took over" in str(stalled.error)
    assert list(arcade.stored(VIEW)) == ["p1"]
