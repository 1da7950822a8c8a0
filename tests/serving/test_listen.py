"""Where the server listens, and which worker answers whom."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sync.errors import FsyncError
from sync.serving.listen import Listen, listening

from .conftest import PROJECT, Serve, Server

CONNECTIONS = 40
linux = pytest.mark.skipif(sys.platform != "linux", reason="connections are spread by Linux")


def processes(of: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{of}/task/{of}/children").read_text().split()]


def sockets(pid: int) -> int:
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return sum(link.startswith("socket:") for link in links)


def workers_of(server: Server, count: int) -> list[int]:
    """Once so many listen."""
    end, port = time.monotonic() + 10, f":{server.port:04X}"
    while time.monotonic() < end:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        if sum(row[1].endswith(port) and row[3] == "0A" for row in rows) == count:
            return [pid for pid in processes(server.process.pid) if sockets(pid) > 1]
        time.sleep(0.02)
    raise AssertionError(f"there are not {count} listening")


def opened(server: Server) -> list[socket.socket]:
    """One after another, so that a worker has the time to take each."""
    connections = []
    for _ in range(CONNECTIONS):
        connections.append(socket.create_connection(("127.0.0.1", server.port)))
        time.sleep(0.005)
    return connections


@linux
def test_connections_are_spread_over_the_workers(serve: Serve) -> None:
    server = serve("--workers", "2")
    before = {pid: sockets(pid) for pid in workers_of(server, 2)}
    connections = opened(server)
    time.sleep(0.2)
    taken = sorted(sockets(pid) - count for pid, count in before.items())
    for connection in connections:
        connection.close()
    assert sum(taken) == CONNECTIONS
    # By chance one gets fewer than five of forty once in ten million times.
    assert taken[0] >= 5, taken


@linux
def test_a_worker_that_dies_is_replaced(serve: Serve) -> None:
    server = serve("--workers", "2")
    before = workers_of(server, 2)
    os.kill(before[0], signal.SIGKILL)
    workers_of(server, 1)
    assert before[0] not in workers_of(server, 2)
    assert {server.get("/health").status for _ in range(20)} == {200}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_is_said_before_anything_is_served(redis_url: str, serve: Serve, workers: str) -> None:
    port = str(serve("--workers", "2").port)
    command = [*Server.command, "serve", "--project", PROJECT, "--redis-url", redis_url]
    second = subprocess.run(
        [*command, "--port", port, "--workers", workers], capture_output=True, text=True, timeout=30
    )
    assert second.returncode == 1
    assert second.stderr == (
        f"fsync: cannot listen at 127.0.0.1:{port}: another program listens there; choose another --port\n"
    )


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("192.0.2.1", r"cannot listen at 192\.0\.2\.1:0: it is no address of this machine; .*--host"),
        ("nowhere.invalid", r"nowhere\.invalid is no address; give --host"),
    ],
)
def test_a_host_that_is_none_of_this_machine(host: str, message: str) -> None:
    with pytest.raises(FsyncError, match=message):
        listening(Listen(host, 0, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_name_of_several_addresses_has_one_port(workers: int) -> None:
    bound = listening(Listen("localhost", 0, workers))
    try:
        assert len({each.getsockname()[1] for each in bound}) == 1
        assert bound[0].getsockname()[1] > 0
    finally:
        for each in bound:
            each.close()
