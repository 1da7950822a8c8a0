"""`fsync online` against the limit: `redis-cli --pipe` of plain `SET key value PX …` from a ready file.

    scripts/bench/online.py [--entities 1000000] [--runs 3]

Needs redis-server and redis-cli. Each sync is a process of its own, whose start-up is told apart. The
view has 12 features; Redis, client and warehouse share the machine's cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path
from statistics import quantiles
from typing import Any

import duckdb
import redis

COLUMNS = {
    **{f"sessions_{n}d": ("bigint", f"(hash(i * {n}) % {10 ** (n % 5 + 1)})::bigint") for n in range(1, 7)},
    **{f"spend_{n}d": ("double", f"(hash(i * {n + 31}) % 100000) / 1000.0") for n in range(1, 5)},
    "tier": ("varchar", "'tier_' || (i % 7)"),
    "payer": ("boolean", "i % 3 = 0"),
}
MODEL = "select 1"
SYNC = """
import json, sys, time
from memory import peak
from sync import FeatureStore
from sync.cli.priority import step_back
store = FeatureStore(sys.argv[1], redis_url=sys.argv[2])
store.registry, store.target
import sync.online.synchronize
options = json.loads(sys.argv[3])
if not options.get("max_speed"):
    step_back()  # as the command does
start = time.perf_counter()
(result,) = store.sync(**options)
seconds = time.perf_counter() - start
held = peak() * 1e3
print(json.dumps({"call": seconds, "peak": held, "written": result.written, "full": result.full}))
"""


def make_project(directory: Path, entities: int) -> None:
    """A project as dbt would leave it: the manifest, and the table in the warehouse."""
    (directory / "models").mkdir(parents=True)
    (directory / "target").mkdir()
    (directory / "dbt_project.yml").write_text("name: bench\nprofile: bench\nmodel-paths: [models]\n")
    (directory / "profiles.yml").write_text(
        "bench: {target: dev, outputs: {dev: {type: duckdb, path: target/bench.duckdb}}}\n"
    )
    (directory / "models" / "player_stats.sql").write_text(MODEL)
    columns = {
        "player_id": "varchar",
        "event_timestamp": "timestamp",
        "created_timestamp": "timestamp",
        **{name: data_type for name, (data_type, _) in COLUMNS.items()},
    }
    node = {
        "name": "player_stats",
        "resource_type": "model",
        "package_name": "bench",
        "original_file_path": "models/player_stats.sql",
        "unique_id": "model.bench.player_stats",
        "relation_name": '"bench"."main"."player_stats"',
        "checksum": {"name": "sha256", "checksum": sha256(MODEL.encode()).hexdigest()},
        "config": {
            "materialized": "table",
            "event_time": "event_timestamp",
            "contract": {"enforced": True},
            "meta": {"entity": "player", "created_timestamp": "created_timestamp", "ttl": "3650d"},
        },
        "columns": {name: {"name": name, "data_type": data_type} for name, data_type in columns.items()},
    }
    manifest = {"metadata": {"project_name": "bench"}, "nodes": {node["unique_id"]: node}}
    (directory / "target" / "manifest.json").write_text(json.dumps(manifest))
    with duckdb.connect(str(directory / "target" / "bench.duckdb")) as connection:
        connection.execute(f"create table player_stats as {rows_sql(f'range({entities})', 0)}")


def rows_sql(numbers: str, later: int) -> str:
    features = ", ".join(f"{sql} as {name}" for name, (_, sql) in COLUMNS.items())
    return f"""
        select
            'player-' || lpad(i::varchar, 8, '0') as player_id,
            timestamp '2026-01-01' + interval (i % 86400 + {later}) second as event_timestamp,
            timestamp '2026-01-01' + interval (i % 86400 + {later} + 3600) second as created_timestamp,
            {features}
        from {numbers} as t (i)"""


def fsync(directory: Path, url: str, **options: Any) -> dict[str, Any]:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", SYNC, str(directory), url, json.dumps(options)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    return {**json.loads(done.stdout.splitlines()[-1]), "process": time.perf_counter() - start}


def pipe(socket: Path, file: Path) -> float:
    start = time.perf_counter()
    with file.open("rb") as commands:
        subprocess.run(
            ["redis-cli", "-s", socket, "--pipe"], stdin=commands, check=True, stdout=subprocess.DEVNULL
        )
    return time.perf_counter() - start


def write_sets(client: redis.Redis, file: Path) -> None:
    """The rows of the view as plain keys, for redis-cli."""
    with file.open("wb") as commands:
        for field, row in client.hscan_iter("fsync:{bench/player_stats}:rows", count=5000):
            key = b"fsync:bench:player_stats:" + field
            parts = [b"SET", key, row, b"PX", b"315360000000"]
            commands.write(b"*5\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))


class Reader(threading.Thread):
    """Reads 10 entities at a time, as a client does, in a process of its own; p99 in ms."""

    SCRIPT = """
import random, sys, time, redis
client = redis.Redis.from_url(sys.argv[1])
entities, seconds = int(sys.argv[2]), float(sys.argv[3])
end, times = time.perf_counter() + seconds, []
while time.perf_counter() < end:
    fields = [f"player-{random.randrange(entities):08}" for _ in range(10)]
    start = time.perf_counter()
    client.hmget("fsync:{bench/player_stats}:rows", fields)
    times.append(time.perf_counter() - start)
    time.sleep(0.001)
print(*times)
"""

    def __init__(self, url: str, entities: int, seconds: float) -> None:
        super().__init__()
        self._arguments = [url, str(entities), str(seconds)]
        self.p99 = self.p50 = 0.0

    def run(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", self.SCRIPT, *self._arguments], check=True, capture_output=True, text=True
        )
        times = quantiles([1000 * float(text) for text in done.stdout.split()], n=100)
        self.p50, self.p99 = times[49], times[98]


def read_during(url: str, entities: int, seconds: float) -> Reader:
    reader = Reader(url, entities, seconds)
    reader.start()
    # Python's own start.
    time.sleep(0.3)
    return reader


def best(runs: int, measure: Any) -> Any:
    return min((measure() for _ in range(runs)), key=lambda r: r["call"] if isinstance(r, dict) else r)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="fsync-bench-"))
    socket = scratch / "redis.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", scratch],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not socket.exists():
            time.sleep(0.05)
        bench(scratch, socket, arguments.entities, arguments.runs)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(scratch)


def bench(scratch: Path, socket: Path, entities: int, runs: int) -> None:
    url, project = f"unix://{socket}", scratch / "project"
    client = redis.Redis.from_url(url, socket_timeout=None)
    make_project(project, entities)

    def first(**options: Any) -> dict[str, Any]:
        client.flushall()
        return fsync(project, url, **options)

    empty = client.info("memory")["used_memory"]
    first(max_speed=True)
    memory = (client.info("memory")["used_memory"] - empty) / entities
    sets = scratch / "sets.resp"
    write_sets(client, sets)

    def limit_once() -> float:
        client.flushall()
        return pipe(socket, sets)

    limit = best(runs, limit_once)
    print(
        f"{entities:,} entities, 12 features, {os.cpu_count()} cores, Redis {client.info()['redis_version']}"
    )
    print(f"limit: redis-cli --pipe of SET … PX     {limit:6.2f} s  {entities / limit:9,.0f} rows/s")

    def tell(name: str, run: dict[str, Any]) -> None:
        call = run["call"]
        print(
            f"{name:<39} {call:6.2f} s  {entities / call:9,.0f} rows/s  {limit / call:5.2f} of the limit "
            f"({limit / run['process']:.2f} as a process), peak {run['peak']:.0f} MB"
        )

    tell("first sync, --max-speed", best(runs, lambda: first(max_speed=True)))
    full = best(runs, lambda: fsync(project, url, full_refresh=True, max_speed=True))
    tell("full refresh, --max-speed", full)
    tell("first sync, throttled", best(runs, first))
    idle = read_during(url, entities, 3)
    idle.join()
    loaded = read_during(url, entities, full["call"])
    throttled = fsync(project, url, full_refresh=True)
    loaded.join()
    tell("full refresh, throttled, with readers", throttled)
    print(f"reads of 10: p99 {idle.p99:.2f} ms idle, {loaded.p99:.2f} ms in the load")

    # These take so little that more of them can be afforded.
    runs = max(runs, 3)
    changes: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for run in range(1, 2 * runs + 1):
        with duckdb.connect(str(project / "target" / "bench.duckdb")) as connection:
            numbers = f"(select i * 100 + {run} from range({entities // 100}) as r (i))"
            connection.execute(f"insert into player_stats {rows_sql(numbers, 86_400 * run)}")
        max_speed = run % 2 == 1
        changes[max_speed].append(fsync(project, url, max_speed=max_speed))
        assert changes[max_speed][-1]["written"] == entities // 100, changes[max_speed][-1]
    fast, slow = (min(changes[max_speed], key=lambda run: run["call"]) for max_speed in (True, False))
    nothing = best(runs, lambda: fsync(project, url))
    small = (
        ("1 % changed, --max-speed", fast),
        ("1 % changed, throttled", slow),
        ("nothing changed", nothing),
    )
    for name, run in small:
        print(f"{name:<39} {run['call']:6.3f} s  {run['call'] / full['call']:.1%} of the full refresh")
    print(f"memory: {memory:.0f} B an entity in Redis")


if __name__ == "__main__":
    main()
