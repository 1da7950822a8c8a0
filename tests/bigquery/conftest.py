"""A bigquery-emulator for the session: GoogleSQL by ZetaSQL's own parser and analyzer, run on SQLite."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.properties.conftest import shapes

__all__ = ["shapes"]

BINARY = "bigquery-emulator-0.6.6"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.bigquery)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an emulator that has the project `a-project` and the dataset `main`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fsync"
    if not (cache / BINARY).exists():
        pytest.skip(f"no {BINARY} in {cache}; `scripts/emulator` builds it")
    port = free_port()
    options = ["--project=a-project", "--dataset=main", "--host=127.0.0.1", "--log-level=error"]
    log = tmp_path_factory.mktemp("emulator") / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [cache / BINARY, *options, f"--port={port}", f"--grpc-port={free_port()}"],
            stdout=file,
            stderr=file,
        )
        try:
            _await(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the emulator did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def client(emulator: str) -> Iterator[Any]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    config = bigquery.QueryJobConfig(default_dataset="a-project.main")
    with bigquery.Client(
        project="a-project",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": emulator},
        default_query_job_config=config,
    ) as client:
        yield client
