"""`fsync serve` and Feast's server, a worker each: the same requests, rows and answers, from the same Redis.

    python -m venv target/bench/feast && target/bench/feast/bin/pip install 'feast[duckdb,redis]==0.67.*'
    python scripts/bench/feast_serving.py [--entities 10000] [--seconds 5] [--rounds 3]

Needs redis-server and wrk. Both answer POST /get-online-features: 12 features of 1, 10 and 100 entities, 16
connections, by turns; the medians of the rounds are told. Feast is tuned: no access log, no worker that
starts anew after so many requests.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any

from feast_materialize import ROOT, ours, prepare
from online import COLUMNS
from serving import ask, free_port, fsync, key, redis_server, wrk

BATCHES = (1, 10, 100)
SETTINGS = os.environ | {"FEAST_USAGE": "False", "IS_TEST": "True"}


def answer(port: int, players: list[str]) -> dict[str, Any]:
    body = {"features": [f"player_stats:{name}" for name in COLUMNS], "entities": {"player_id": players}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/get-online-features",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        found: dict[str, Any] = json.load(response)
    return found


def start(command: list[Any], directory: Path, port: int) -> "subprocess.Popen[bytes]":
    server = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=directory,
        env=SETTINGS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(1200):
        if server.poll() is not None:
            sys.exit(f"{command[0]} ended with {server.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return server
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{command[0]} does not get ready")


def compare(ports: tuple[int, ...], players: list[str]) -> None:
    """Both must say the same before anything is timed."""
    values = []
    for port in ports:
        told = answer(port, players)
        columns = [result["values"] for result in told["results"]]
        values.append(dict(zip(told["metadata"]["feature_names"], columns, strict=True)))
    if values[0] != values[1]:
        sys.exit(f"the answers differ: {values}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--feast", type=Path, default=ROOT / "target" / "bench" / "feast" / "bin" / "python")
    options = parser.parse_args()
    if not options.feast.exists():
        parser.error(f"no {options.feast}; make it as the first line above says, or name it with --feast")
    scratch, ports = Path(tempfile.mkdtemp(prefix="fsync-bench-")), (free_port(), free_port())
    servers = []
    try:
        with redis_server(scratch) as redis_port:
            prepare(scratch, options.entities)
            filled = [options.feast, Path(__file__).with_name("feast_materialize.py"), "--worker", "feast"]
            filled += ["--scratch", scratch, "--port", str(redis_port)]
            subprocess.run(filled, env=SETTINGS, capture_output=True, check=True)
            ours(scratch, redis_port)
            feast = [options.feast.with_name("feast"), "serve", "--no-access-log", "--max-requests", "0"]
            servers.append(start(feast, scratch / "feast_repository", ports[0]))
            url = f"redis://127.0.0.1:{redis_port}/0"
            servers.append(start(fsync("serve", "--redis-url", url), scratch / "project", ports[1]))
            compare(ports, [key(number) for number in range(20)])
            print("batch      feast/s  p99 ms      fsync/s  p99 ms   ratio")
            request = ask("/get-online-features", len(COLUMNS))
            for batch in BATCHES:
                told = []
                for _ in range(options.rounds):
                    mine, _, my_p99 = wrk(ports[1], request, batch, 16, options)
                    theirs, _, their_p99 = wrk(ports[0], request, batch, 16, options)
                    time.sleep(2)  # Feast goes on with what wrk no longer waits for.
                    told.append((theirs, their_p99, mine, my_p99, mine / theirs))
                theirs, their_p99, mine, my_p99, ratio = map(median, zip(*told, strict=True))
                print(
                    f"{batch:5}{theirs:13,.0f}{their_p99:8.1f}{mine:13,.0f}{my_p99:8.2f}{ratio:8.1f}",
                    flush=True,
                )
            for server in servers:
                server.terminate()
                server.wait()
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
