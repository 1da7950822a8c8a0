"""`fsync serve` against what Redis itself does: requests/s and latencies at batches of 1, 10 and 100.

    scripts/bench/serving.py [--seconds 5] [--entities 100000]

Needs redis-server, redis-benchmark and wrk. Redis, server and load share the machine's cores.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import redis

from sync.instants import now
from sync.online import layout
from sync.registry.views import Feature, JoinKey

FEATURES = tuple(
    [Feature(f"sessions_last_{n}d", "integer", default=0) for n in range(1, 5)]
    + [Feature(f"playtime_last_{n}d", "float") for n in range(1, 6)]
    + [Feature("tier", "string"), Feature("mode", "string"), Feature("payer", "boolean", default=False)]
)
PROJECT, VIEW = "bench", "player_stats"

# Each request asks for other entities than the one before.
WRK = """
local start, bodies = math.random(%(entities)d), {}
for r = 1, 200 do
  local requests = {}
  for i = 1, %(batch)d do
    requests[i] = string.format('{"entityId":"p%%07d","featureNames":%(names)s,"requestTime":12.5}',
                                (start + r * 7919 + i * 104729) %% %(entities)d)
  end
  bodies[r] = '{"requests":[' .. table.concat(requests, ',') .. ']}'
end
local n = 0
request = function()
  n = n %% #bodies + 1
  return wrk.format("POST", "/batch-features", {["Content-Type"] = "application/json"}, bodies[n])
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  print(string.format("RESULT %%f %%f %%f %%d", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))
end
"""


def load(client: "redis.Redis", entities: int) -> None:
    instant = now()
    prefix = f"{instant:016d}{instant:016d}"
    keys = layout.view_keys(PROJECT, VIEW)
    for start in range(0, entities, 1000):
        rows = {f"p{i:07d}": prefix + _body(i) for i in range(start, min(start + 1000, entities))}
        client.hset(keys.rows, mapping=rows)
    meta = layout.ViewMeta(
        VIEW,
        None,
        (JoinKey("player_id", "string"),),
        FEATURES,
        30 * 86_400_000_000,
        instant,
        instant,
        entities,
        instant,
        instant,
        "bench",
    )
    client.hset(keys.meta, mapping=layout.pack_meta(meta))
    client.hset(layout.views_key(PROJECT), VIEW, "")


def _body(i: int) -> str:
    values = {
        "integer": i % 40,
        "float": i / 7,
        "string": ("casual", "ranked")[i % 2],
        "boolean": i % 3 == 0,
    }
    return json.dumps({feature.name: values[feature.type] for feature in FEATURES}, separators=(",", ":"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_benchmark(port: int, fields: list[str], clients: int) -> tuple[float, float]:
    """Requests/s and p99 ms of HMGET of these fields."""
    rows = layout.view_keys(PROJECT, VIEW).rows
    output = subprocess.run(
        [
            *("redis-benchmark", "-p", str(port), "-c", str(clients)),
            *("-n", "200000" if clients > 1 else "30000", "--csv", "HMGET", rows, *fields),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    numbers = [float(cell.strip('"')) for cell in output.strip().splitlines()[-1].rsplit('","', 7)[1:]]
    return numbers[0], numbers[5]


def wrk(port: int, batch: int, features: int, connections: int, args: argparse.Namespace) -> list[float]:
    names = json.dumps([feature.name for feature in FEATURES[:features]], separators=(",", ":"))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK % {"entities": args.entities, "batch": batch, "names": names})
        script.flush()
        output = subprocess.run(
            [
                *("wrk", "-t1", f"-c{connections}", f"-d{args.seconds}s", "-s", script.name),
                f"http://127.0.0.1:{port}",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", output)
    assert found, output
    assert found[4] == "0", f"{found[4]} answers were errors"
    return [float(found[n]) for n in (1, 2, 3)]


def wait_ready(port: int, started: float) -> float:
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
            return time.monotonic() - started
        except OSError:
            assert time.monotonic() - started < 10, "the server does not get ready"
            time.sleep(0.01)


def resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--entities", type=int, default=100_000)
    args = parser.parse_args()
    for tool in ("redis-server", "redis-benchmark", "wrk"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not on the PATH")
    redis_port, port = free_port(), free_port()
    database = subprocess.Popen(
        ["redis-server", "--port", str(redis_port), "--save", "", "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{redis_port}/0"
    server = None
    try:
        with redis.Redis.from_url(
            url, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50)
        ) as client:
            load(client, args.entities)
        started = time.monotonic()
        command = [Path(sys.executable).with_name("fsync"), "serve", "--port", str(port)]
        server = subprocess.Popen([*command, "--project", PROJECT, "--redis-url", url], env=dict(os.environ))
        print(f"ready after {wait_ready(port, started):.2f} s, {resident(server.pid):.0f} MB at rest")
        keys = [f"p{i * 7919 % args.entities:07d}" for i in range(10)]
        bare, bare_p99 = redis_benchmark(redis_port, keys, 16)
        _, bare_one = redis_benchmark(redis_port, keys, 1)
        print(f"redis-benchmark HMGET of 10, 16 connections: {bare:,.0f}/s, p99 {bare_p99:.2f} ms")
        print(f"redis-benchmark HMGET of 10, 1 connection: p99 {bare_one:.3f} ms")
        print("batch features connections requests/s of HMGET      p50      p99")
        for batch, features, connections in [
            (10, 1, 1),
            (10, 1, 16),
            (1, 1, 16),
            (1, 12, 16),
            (10, 6, 16),
            (10, 12, 16),
            (100, 12, 16),
        ]:
            rate, p50, p99 = wrk(port, batch, features, connections, args)
            share = f"{rate / bare:8.2f}" if batch == 10 and connections == 16 else " " * 8
            print(
                f"{batch:5} {features:8} {connections:11} {rate:10,.0f} {share} {p50:5.2f} ms {p99:5.2f} ms"
            )
        print(f"{resident(server.pid):.0f} MB after")
    finally:
        if server:
            server.send_signal(signal.SIGTERM)
            server.wait(15)
        database.terminate()
        database.wait()


if __name__ == "__main__":
    main()
