"""`fsync stream` over more and more events: to take them in, to run the models, and until they are in Redis.

    scripts/bench/streaming.py [--events 10000 100000 1000000] [--seconds 20] [--rate 500]

The baseline is the view's SQL alone, without finding what changed. Needs redis-server, which holds both the
log (a Redis Stream) and the features. The view is player_realtime of this repository.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles

import duckdb
import redis

from sync import FeatureStore
from sync.instants import now
from sync.redis_server import RedisServer
from sync.stream.log import MESSAGES, Batch
from sync.stream.models import live_view

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable)
TOPIC = "game_events"


def generate(folder: Path, events: int) -> list[bytes]:
    """Two days of events up to now, also as JSON, in the order in which they were uploaded."""
    command = [PYTHON, ROOT / "scripts" / "generate_events.py", "--days", "2", "--start", "2026-05-01"]
    command += ["--events", str(events), "--players", str(events // 10), "--out", folder / "given"]
    subprocess.run(command, check=True, capture_output=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"create table e as select * replace (event_timestamp + {now()} - newest as event_timestamp) "
            f"from read_parquet('{folder}/given/*.parquet'), "
            f"(select max(event_timestamp) as newest from read_parquet('{folder}/given/*.parquet'))"
        )
        connection.execute("alter table e drop newest")
        connection.execute(f"copy e to '{folder}/events.parquet'")
        texts = connection.execute(
            "select cast(to_json(e) as varchar) from e order by event_timestamp"
        ).fetchall()
    return [text.encode() for (text,) in texts]


def open_project(folder: Path, redis_url: str) -> FeatureStore:
    os.environ |= {
        "FSYNC_RAW_EVENTS": "export",
        "FSYNC_EVENTS_PATH": f"{folder}/events.parquet",
        "FSYNC_DUCKDB_PATH": f"{folder}/bench.duckdb",
        "DBT_TARGET_PATH": f"{folder}/target",
        "DBT_LOG_PATH": f"{folder}/logs",
    }
    dbt = [PYTHON.with_name("dbt"), "--quiet", "run", "--select", "+player_realtime"]
    subprocess.run(dbt, cwd=ROOT, check=True)
    return FeatureStore(ROOT, redis_url=redis_url)


def timed(run: Callable[[], object], runs: int = 3) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def models(store: FeatureStore, texts: list[bytes]) -> None:
    view = store.registry.views["player_realtime"]
    with live_view(store.project, store.target, view, None) as live:
        start = time.perf_counter()
        for place in range(0, len(texts), MESSAGES):
            part = texts[place : place + MESSAGES]
            live.add(Batch(part, [now()] * len(part)))
        added = time.perf_counter() - start
        run = timed(lambda: live.changed(now()))
        connection: duckdb.DuckDBPyConnection = live._connection
        limit = timed(
            lambda: connection.execute(f"create or replace table limited as select * from {view.relation}")
        )
    print(
        f"{len(texts):>9,} events  {len(texts) / added:>9,.0f}/s taken in  models {run:.3f} s"
        f"  {run / limit:.2f} of the SQL alone ({limit:.3f} s)"
    )


def latency(store: FeatureStore, server: RedisServer, texts: list[bytes], seconds: float, rate: int) -> None:
    """Events come at a rate, as of now."""
    store.sync(["player_realtime"], full_refresh=True)
    client = redis.Redis.from_url(server.url)
    client.delete(TOPIC)
    ended = threading.Event()

    def send() -> None:
        for number, text in enumerate(texts):
            if ended.is_set():
                return
            event = json.loads(text)
            event["event_timestamp"], event["event_server_timestamp_offset"] = now(), 0
            client.xadd(TOPIC, {"value": json.dumps(event)})
            time.sleep(max(0.0, start + (number + 1) / rate - time.monotonic()))

    start = time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    behind, taken, events = [], [], 0
    with closing(store.stream("player_realtime", log=server.url, topic=TOPIC)) as steps:
        for step in steps:
            events += step.events
            if step.behind is not None:
                behind.append(step.behind)
                taken.append(step.seconds)
            if time.monotonic() - start > seconds:
                break
    ended.set()
    sender.join()
    print(
        f"{rate} events/s for {seconds:.0f} s, a run each second: {events:,} events in {len(taken)} runs; "
        f"models and push p50 {median(taken):.2f} s, p90 {quantiles(taken, n=10)[-1]:.2f} s; newest event in "
        f"Redis after p50 {median(behind):.2f} s, p90 {quantiles(behind, n=10)[-1]:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        server = RedisServer(Path(scratch) / "redis")
        server.start()
        try:
            for events in arguments.events:
                folder = Path(scratch) / str(events)
                folder.mkdir()
                texts = generate(folder, events)
                store = open_project(folder, server.url)
                models(store, texts)
            latency(store, server, texts, arguments.seconds, arguments.rate)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
