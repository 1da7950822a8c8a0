"""The same training set by Feast's DuckDB offline store and by fsync, each as a process of its own.

    python -m venv target/bench/feast && target/bench/feast/bin/pip install 'feast[duckdb]==0.67.*'
    python scripts/bench/feast_point_in_time.py --rows 1000000 --spine 100000
    python scripts/bench/feast_point_in_time.py           # 10M x 1M: Feast needs some 13 GB of memory

Both get the spine as Parquet and return Arrow. Feast reads its features from Parquet, its own way; fsync from
the warehouse's table. Feast joins in hindsight (it does not ask what was known when), fsync does both.
They take turns; told are the medians of the rounds, and how many times as long Feast takes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from memory import peak

ROOT = Path(__file__).resolve().parents[2]
FEATURES = [f"view_a:a{number}" for number in range(12)]
FEATURE_STORE = """
project: bench
provider: local
registry: registry.db
offline_store: {type: duckdb}
online_store: null
entity_key_serialization_version: 3
"""


def feast(scratch: Path) -> tuple[int, float]:
    from datetime import timedelta

    import pandas
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float64
    from feast.value_type import ValueType

    repository = scratch / "feast_repository"
    repository.mkdir(exist_ok=True)
    (repository / "feature_store.yaml").write_text(FEATURE_STORE)
    (repository / "registry.db").unlink(missing_ok=True)
    player = Entity(name="player", join_keys=["player_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="view_a",
        entities=[player],
        ttl=timedelta(days=365),
        schema=[Field(name=f"a{number}", dtype=Float64) for number in range(12)],
        source=FileSource(
            path=str(scratch / "view_a.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
    )
    store = FeatureStore(repo_path=str(repository))
    store.apply([player, view])
    spine = pandas.read_parquet(scratch / "spine.parquet")
    start = time.perf_counter()
    rows = store.get_historical_features(spine, FEATURES).to_arrow().num_rows
    return int(rows), time.perf_counter() - start


def ours(scratch: Path, hindsight: bool) -> tuple[int, float]:
    # Imports are in the figure of the process, on both sides, and not in that of the call.
    import duckdb
    import pyarrow

    from sync import FeatureStore
    from sync.offline import historical

    del duckdb, pyarrow, historical
    store = FeatureStore(scratch / "project")
    spine = scratch / "spine.parquet"
    start = time.perf_counter()
    rows = store.get_historical_features(spine, FEATURES, hindsight=hindsight).to_arrow().num_rows
    return int(rows), time.perf_counter() - start


def work(name: str, scratch: Path) -> None:
    rows, seconds = feast(scratch) if name == "feast" else ours(scratch, name == "fsync, hindsight")
    held = peak()
    print(json.dumps({"rows": rows, "seconds": seconds, "peak": held}))


def prepare(scratch: Path, skew: str, rows: int, spine: int, players: int) -> None:
    import duckdb
    from compiled import compile_project
    from point_in_time import fill

    from sync import FeatureStore

    warehouse = scratch / "bench.duckdb"
    os.environ["BENCH_DUCKDB_PATH"] = str(warehouse)
    fill(warehouse, skew, rows, spine, players)
    with duckdb.connect(str(warehouse)) as connection:
        for table in ("view_a", "spine"):
            connection.execute(f"copy {table} to '{scratch / table}.parquet' (format parquet)")
    compile_project(scratch)
    # Definitions are compiled once and kept, as Feast applies its own before the clock starts.
    store = FeatureStore(scratch / "project")
    for hindsight in (True, False):
        store.get_historical_features(scratch / "spine.parquet", FEATURES, hindsight=hindsight).to_arrow()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--spine", type=int, default=1_000_000)
    parser.add_argument("--players", type=int, default=100_000)
    parser.add_argument("--skew", default="zipf")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--feast", type=Path, default=ROOT / "target" / "bench" / "feast" / "bin" / "python")
    parser.add_argument("--scratch", type=Path, default=ROOT / "target" / "bench")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    scratch = options.scratch.resolve()
    if options.worker:
        work(options.worker, scratch)
        return
    if not options.feast.exists():
        parser.error(f"no {options.feast}; make it as the first line above says, or name it with --feast")
    prepare(scratch, options.skew, options.rows, options.spine, options.players)
    print(f"{options.skew}: {options.rows:,} x {options.spine:,}")
    told: dict[str, list[tuple[float, float, float]]] = {
        "feast": [],
        "fsync, hindsight": [],
        "fsync, as known": [],
    }
    for _ in range(options.rounds):
        for name, rounds in told.items():
            python = str(options.feast) if name == "feast" else sys.executable
            rounds.append(
                measured([python, __file__, "--worker", name, "--scratch", str(scratch)], options.spine)
            )
    feast_call, feast_process, _ = map(median, zip(*told["feast"], strict=True))
    print(f"{'':18}{'call, s':>9}{'':8}{'process, s':>12}{'':8}{'peak GB':>9}")
    for name, rounds in told.items():
        call, process, peak = map(median, zip(*rounds, strict=True))
        times = f"{feast_call / call:6.1f} x", f"{feast_process / process:6.1f} x"
        print(f"{name:18}{call:9.2f}{times[0]}{process:12.2f}{times[1]}{peak:9.2f}", flush=True)


def measured(command: list[str], rows: int) -> tuple[float, float, float]:
    """Seconds of the call and of the whole process, and its peak memory in GB."""
    settings = os.environ | {"FEAST_USAGE": "False", "IS_TEST": "True"}
    start = time.perf_counter()
    run = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - start
    if run.returncode:
        sys.exit(run.stderr)
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["rows"] == rows, found
    return found["seconds"], whole, found["peak"]


if __name__ == "__main__":
    main()
