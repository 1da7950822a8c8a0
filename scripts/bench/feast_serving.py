"""`fsync serve` and Feast's server, a worker each: the same requests, rows and answers, from the same Redis.

    python -m venv target/bench/feast && target/bench/feast/bin/pip install 'feast[duckdb,redis]==0.67.*'
    python scripts/bench/feast_serving.py [--entities 10000] [--seconds 5]

Needs redis-server and wrk. Both answer POST /get-online-features: 12 features of 1, 10 and 100 entities, 16
connections. Feast is tuned: no access log, no worker that starts anew after so many requests.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from feast_materialize import ROOT, ours, prepare
from online import COLUMNS
from serving import free_port

BATCHES = (1, 10, 100)
# Each request asks for other entities than the one before.
WRK = """
local bodies, start = {}, math.random(%(entities)d)
for r = 1, 200 do
  local keys = {}
  for i = 1, %(batch)d do
    keys[i] = string.format('"player-%%08d"', (start + r * 7919 + i * 104729) %% %(entities)d)
  end
  bodies[r] = '{"features":%(features)s,"entities":{"player_id":[' .. table.concat(keys, ',') .. ']}}'
end
local n = 0
request = function()
  n = n %% #bodies + 1
  return wrk.format("POST", "/get-online-features", {["Content-Type"] = "application/json"}, bodies[n])
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  print(string.format("RESULT %%f %%f %%f %%d", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))
end
"""


def ask(port: int, players: list[str]) -> dict[str, Any]:
    body = {"features": [f"player_stats:{name}" for name in COLUMNS], "entities": {"player_id": players}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/get-online-features",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        found: dict[str, Any] = json.load(response)
    return found


def wait_ready(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
        if server.poll() is not None:
            sys.exit(f"a server ended with {server.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("a server does not get ready")


def wrk(port: int, batch: int, options: argparse.Namespace) -> list[float]:
    features = json.dumps([f"player_stats:{name}" for name in COLUMNS], separators=(",", ":"))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK % {"entities": options.entities, "batch": batch, "features": features})
        script.flush()
        output = subprocess.run(
            [
                *("wrk", "-t1", "-c16", f"-d{options.seconds}s", "--timeout", "30s", "-s", script.name),
                f"http://127.0.0.1:{port}",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", output)
    if found is None or found[4] != "0":
        sys.exit(f"wrk saw errors:\n{output}")
    return [float(found[n]) for n in (1, 2, 3)]


def compare(ports: dict[str, int], players: list[str]) -> None:
    """Both must say the same before anything is timed."""
    answers = {name: ask(port, players) for name, port in ports.items()}
    values = [
        dict(zip(answer["metadata"]["feature_names"], (r["values"] for r in answer["results"]), strict=True))
        for answer in answers.values()
    ]
    if values[0] != values[1]:
        sys.exit(f"the answers differ: {values}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--feast", type=Path, default=ROOT / "target" / "bench" / "feast" / "bin" / "python")
    options = parser.parse_args()
    if not options.feast.exists():
        parser.error(f"no {options.feast}; make it as the first line above says, or name it with --feast")
    scratch = Path(tempfile.mkdtemp(prefix="fsync-bench-"))
    redis_port = free_port()
    ports = {"feast": free_port(), "fsync": free_port()}
    settings = os.environ | {"FEAST_USAGE": "False", "IS_TEST": "True"}
    started = [
        subprocess.Popen(
            ["redis-server", "--port", str(redis_port), "--save", "", "--dir", scratch],
            stdout=subprocess.DEVNULL,
        )
    ]
    try:
        prepare(scratch, options.entities)
        filled = [
            *(options.feast, Path(__file__).with_name("feast_materialize.py"), "--worker", "feast"),
            *("--scratch", scratch, "--port", str(redis_port)),
        ]
        subprocess.run(filled, env=settings, capture_output=True, check=True)
        ours(scratch, redis_port)
        feast = [options.feast.with_name("feast"), "serve", "--no-access-log", "--max-requests", "0"]
        fsync = [Path(sys.executable).with_name("fsync"), "serve", "--project", "bench"]
        fsync += ["--redis-url", f"redis://127.0.0.1:{redis_port}/0"]
        for name, command in (("feast", feast), ("fsync", fsync)):
            server = subprocess.Popen(
                [*command, "--port", str(ports[name])],
                cwd=scratch / ("feast_repository" if name == "feast" else "project"),
                env=settings,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            started.append(server)
            wait_ready(ports[name], server)
        compare(ports, [f"player-{i:08d}" for i in range(20)])
        print("batch      feast/s  p99 ms      fsync/s  p99 ms   ratio")
        for batch in BATCHES:
            mine, _, my_p99 = wrk(ports["fsync"], batch, options)
            theirs, _, their_p99 = wrk(ports["feast"], batch, options)
            time.sleep(2)  # Feast goes on with what wrk no longer waits for.
            print(
                f"{batch:5}{theirs:13,.0f}{their_p99:8.1f}{mine:13,.0f}{my_p99:8.2f}{mine / theirs:8.1f}",
                flush=True,
            )
    finally:
        for server in reversed(started):
            server.terminate()
        for server in started:
            server.wait()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
