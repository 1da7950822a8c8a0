"""`fsync serve` against what Redis itself does: requests/s and latencies at batches of 1, 10 and 100.

    scripts/bench/serving.py [--rounds 3] [--seconds 3] [--entities 100000]

Needs redis-server, redis-benchmark and wrk. Redis, one worker and the load share the machine's cores. Each
row is measured beside Redis alone, in as many rounds, of which the medians are told. The last rows are
measured while `fsync online --full-refresh` writes the same view over and over.
"""

import argparse
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from online import COLUMNS, make_project

VIEW = "player_stats"
NAMES = list(COLUMNS)
# Each request asks for other entities than the one before.
WRK = """
local start, bodies = math.random(%(entities)d), {}
for r = 1, 200 do
  local items = {}
  for i = 1, %(batch)d do
    items[i] = string.format('%(item)s', (start + r * 7919 + i * 104729) %% %(entities)d)
  end
  bodies[r] = '%(before)s' .. table.concat(items, ',') .. '%(after)s'
end
local n = 0
request = function()
  n = n %% #bodies + 1
  return wrk.format("POST", "%(route)s", {["Content-Type"] = "application/json"}, bodies[n])
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  print(string.format("RESULT %%f %%f %%f %%d", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))
end
"""


# Requests/s and p99 ms of Redis alone, at so many connections.
Bare = Callable[[int], tuple[float, float]]


def key(number: int) -> str:
    return f"player-{number:08d}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server(directory: Path) -> Iterator[int]:
    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1", "--dir", directory],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        server.terminate()
        server.wait()


def fsync(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("fsync")), *words]


def redis_benchmark(port: int, fields: list[str], clients: int) -> tuple[float, float]:
    """Requests/s and p99 ms of HMGET of these fields."""
    rows = f"fsync:{{bench/{VIEW}}}:rows"
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


def ask(route: str, features: int) -> dict[str, str]:
    """What a request of so many features is made of."""
    if route == "/batch-features":
        names = json.dumps(NAMES[:features], separators=(",", ":"))
        item = f'{{"entityId":"player-%08d","featureNames":{names},"requestTime":12.5}}'
        return {"route": route, "item": item, "before": '{"requests":[', "after": "]}"}
    names = json.dumps([f"{VIEW}:{name}" for name in NAMES[:features]], separators=(",", ":"))
    before = f'{{"features":{names},"entities":{{"player_id":['
    return {"route": route, "item": '"player-%08d"', "before": before, "after": "]}}"}


def wrk(
    port: int, request: dict[str, str], batch: int, connections: int, args: argparse.Namespace
) -> list[float]:
    """Requests/s, p50 and p99 in ms."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK % {"entities": args.entities, "batch": batch, **request})
        script.flush()
        output = subprocess.run(
            [
                *("wrk", "-t1", f"-c{connections}", f"-d{args.seconds}s", "--timeout", "30s"),
                *("-s", script.name, f"http://127.0.0.1:{port}"),
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
            assert time.monotonic() - started < 60, "the server does not get ready"
            time.sleep(0.01)


def resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


@contextmanager
def syncing(project: Path, url: str) -> Iterator[None]:
    """While the view is written again and again, throttled as by default."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            subprocess.run(
                fsync("online", "--full-refresh", "--redis-url", url),
                cwd=project,
                check=True,
                capture_output=True,
            )

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure(port: int, bare: Bare, args: argparse.Namespace, *row: Any) -> None:
    """Prints a row of the table: the medians of its rounds, each beside Redis alone."""
    route, batch, features, connections = row
    told = []
    for _ in range(args.rounds):
        most, at_best = bare(connections)
        rate, p50, p99 = wrk(port, ask(route, features), batch, connections, args)
        told.append((rate, p50, p99, rate / most, p99 / at_best))
    rate, p50, p99, share, times = map(median, zip(*told, strict=True))
    beside = ""
    if batch == 10:
        beside = f"{share:.3f}" if connections > 1 else f"p99 x {times:.1f}"
    print(
        f"{route:21}{batch:6}{features:9}{connections:12}{rate:11,.0f} {beside:>10}",
        f"{p50:5.2f} ms {p99:5.2f} ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--entities", type=int, default=100_000)
    args = parser.parse_args()
    for tool in ("redis-server", "redis-benchmark", "wrk"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not on the PATH")
    scratch = Path(tempfile.mkdtemp(prefix="fsync-bench-"))
    project, port = scratch / "project", free_port()
    make_project(project, args.entities)
    with redis_server(scratch) as redis_port:
        url = f"redis://127.0.0.1:{redis_port}/0"
        subprocess.run(
            fsync("online", "--redis-url", url), cwd=project, check=True, stdout=subprocess.DEVNULL
        )
        started = time.monotonic()
        command = fsync("serve", "--port", str(port), "--project", "bench", "--redis-url", url)
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            print(f"ready after {wait_ready(port, started):.2f} s, {resident(server.pid):.0f} MB at rest")
            keys = [key(i * 7919 % args.entities) for i in range(10)]

            def bare(connections: int) -> tuple[float, float]:
                return redis_benchmark(redis_port, keys, connections)

            for connections in (16, 1):
                rate, p99 = map(median, zip(*[bare(connections) for _ in range(args.rounds)], strict=True))
                print(
                    f"redis-benchmark, HMGET of 10, {connections:2} at once: {rate:,.0f}/s, p99 {p99:.3f} ms"
                )
            print("Beside it: requests/s as a share of Redis' own; of one connection, p99 as a multiple.")
            print(f"{'route':21} batch features connections requests/s  beside it       p50      p99")
            routes = ("/batch-features", "/get-online-features")
            for route in routes:
                for row in ((10, 1, 1), (10, 1, 16), (1, 12, 16), (10, 12, 16), (100, 12, 16)):
                    measure(port, bare, args, route, *row)
            print("While a sync runs:")
            with syncing(project, url):
                for route in routes:
                    measure(port, bare, args, route, 100, 12, 16)
            print(f"{resident(server.pid):.0f} MB after")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(15)
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
