"""The same table into the same Redis by `feast materialize` and by `fsync online`, a process each.

    python -m venv target/bench/feast && target/bench/feast/bin/pip install 'feast[duckdb,redis]==0.67.*'
    python scripts/bench/feast_materialize.py                     # 1M entities: Feast needs some 10 GB
    python scripts/bench/feast_materialize.py --entities 100000

Feast reads Parquet, its own way; fsync the warehouse's table, throttled as it is by default.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from memory import peak

ROOT = Path(__file__).resolve().parents[2]
FEATURE_STORE = """
project: bench
provider: local
registry: registry.db
offline_store: {{type: duckdb}}
online_store: {{type: redis, connection_string: "127.0.0.1:{port}"}}
entity_key_serialization_version: 3
"""


def feast(scratch: Path, port: int) -> float:
    from datetime import UTC, datetime, timedelta

    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Bool, Float64, Int64, String
    from feast.value_type import ValueType
    from online import COLUMNS

    types = {"bigint": Int64, "double": Float64, "varchar": String, "boolean": Bool}
    repository = scratch / "feast_repository"
    repository.mkdir()
    (repository / "feature_store.yaml").write_text(FEATURE_STORE.format(port=port))
    player = Entity(name="player", join_keys=["player_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="player_stats",
        entities=[player],
        ttl=timedelta(days=3650),
        schema=[Field(name=name, dtype=types[data_type]) for name, (data_type, _) in COLUMNS.items()],
        source=FileSource(
            path=str(scratch / "player_stats.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
    )
    store = FeatureStore(repo_path=str(repository))
    store.apply([player, view])
    start = time.perf_counter()
    store.materialize(datetime(2025, 1, 1, tzinfo=UTC), datetime.now(UTC))
    return time.perf_counter() - start


def ours(scratch: Path, port: int) -> float:
    import sync.online.synchronize
    from sync import FeatureStore

    del sync.online.synchronize
    store = FeatureStore(scratch / "project", redis_url=f"redis://127.0.0.1:{port}/0")
    start = time.perf_counter()
    store.sync()
    return time.perf_counter() - start


def work(name: str, scratch: Path, port: int) -> None:
    seconds = feast(scratch, port) if name == "feast" else ours(scratch, port)
    held = peak()
    print(json.dumps({"seconds": seconds, "peak": held}))


def prepare(scratch: Path, entities: int) -> None:
    import duckdb
    from online import make_project

    make_project(scratch / "project", entities)
    with duckdb.connect(str(scratch / "project" / "target" / "bench.duckdb")) as connection:
        connection.execute(f"copy player_stats to '{scratch / 'player_stats.parquet'}' (format parquet)")


def measure(scratch: Path, options: argparse.Namespace, client: Any) -> None:
    print(f"{options.entities:,} entities, 12 features")
    print(f"{'':8}{'call, s':>9}{'rows/s':>10}{'process, s':>12}{'peak GB':>9}{'Redis MB':>10}")
    settings = os.environ | {"FEAST_USAGE": "False", "IS_TEST": "True"}
    port = client.connection_pool.connection_kwargs["port"]
    for name in ("feast", "fsync"):
        client.flushall()
        python = str(options.feast) if name == "feast" else sys.executable
        command = [python, __file__, "--worker", name, "--scratch", str(scratch), "--port", str(port)]
        start = time.perf_counter()
        run = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        whole = time.perf_counter() - start
        if run.returncode:
            sys.exit(run.stderr)
        found = json.loads(run.stdout.splitlines()[-1])
        used = client.info("memory")["used_memory"] / 1e6
        speed = options.entities / found["seconds"]
        row = f"{found['seconds']:9.2f}{speed:10,.0f}{whole:12.2f}{found['peak']:9.2f}{used:10.0f}"
        print(f"{name:8}{row}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--feast", type=Path, default=ROOT / "target" / "bench" / "feast" / "bin" / "python")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=7399)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.scratch, options.port)
        return
    if not options.feast.exists():
        parser.error(f"no {options.feast}; make it as the first line above says, or name it with --feast")
    import redis

    scratch = Path(tempfile.mkdtemp(prefix="fsync-bench-"))
    server = subprocess.Popen(
        ["redis-server", "--port", str(options.port), "--save", "", "--dir", scratch],
        stdout=subprocess.DEVNULL,
    )
    try:
        prepare(scratch, options.entities)
        with redis.Redis(port=options.port, socket_timeout=None) as client:
            measure(scratch, options, client)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
