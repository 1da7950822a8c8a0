"""What a query costs and how many bytes are allowed, and what a person reads when BigQuery refuses one.

The server here is a double: it speaks the few lines of BigQuery's REST API that are needed, since nothing
that can run here refuses a query for its bytes or estimates one.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sync import FsyncError
from sync.project import Target
from sync.warehouse.bigquery import open_bigquery
from sync.warehouse.cost import estimate, format_bytes, parse_bytes

MIB = 2**20


class Double(BaseHTTPRequestHandler):
    """Every query would scan 20 MiB, and is refused when fewer are allowed."""

    def do_POST(self) -> None:
        config = json.loads(self.rfile.read(int(self.headers["content-length"])))["configuration"]
        limit = int(config["query"].get("maximumBytesBilled") or 0)
        job = {"jobReference": {"projectId": "p", "jobId": "j"}, "configuration": config}
        if config.get("dryRun"):
            statistics = {
                "totalBytesProcessed": str(20 * MIB),
                "query": {"totalBytesProcessed": str(20 * MIB)},
            }
            self.reply(200, {**job, "status": {"state": "DONE"}, "statistics": statistics})
        elif limit and limit < 20 * MIB:
            message = f"Query exceeded limit for bytes billed: {limit}. {20 * MIB} or higher required."
            errors = [{"reason": "bytesBilledLimitExceeded", "message": message}]
            self.reply(400, {"error": {"code": 400, "message": message, "errors": errors}})
        else:
            self.reply(400, {"error": {"code": 400, "message": "not spoken here", "errors": []}})

    def reply(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Double) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def target(endpoint: str, **settings: object) -> Target:
    base = {"type": "bigquery", "method": "oauth-secrets", "token": "none", "project": "p", "dataset": "d"}
    return Target("bigquery", {**base, "api_endpoint": endpoint, **settings}, Path("profiles.yml"))


def test_a_dry_run_tells_the_bytes(endpoint: str) -> None:
    with open_bigquery(target(endpoint)) as warehouse:
        assert warehouse.scanned("select 1") == 20 * MIB


@pytest.mark.parametrize("limit", ["10MB", 10_000_000])
def test_a_refusal_tells_the_bytes_needed_and_allowed(endpoint: str, limit: object) -> None:
    with (
        pytest.raises(FsyncError, match=r"20\.0 MiB .20,971,520 bytes.*10,000,000 bytes. are allowed"),
        open_bigquery(target(endpoint, maximum_bytes_billed=limit)) as warehouse,
    ):
        warehouse.row("select 1")


@pytest.mark.parametrize(
    ("text", "count"), [("10GB", 10**10), ("500 MiB", 500 * MIB), ("1.5k", 1500), ("0", 0), (7, 7)]
)
def test_sizes(text: str | int, count: int) -> None:
    assert parse_bytes(text, "here") == count


@pytest.mark.parametrize("text", ["", "ten", "-1", "10XB", "GB"])
def test_a_size_that_is_none(text: str) -> None:
    with pytest.raises(FsyncError, match="--maximum-bytes-billed is"):
        parse_bytes(text, "--maximum-bytes-billed")


def test_the_price_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert estimate(2**40).usd == 6.25
    monkeypatch.setenv("FSYNC_BIGQUERY_PRICE_PER_TIB", "5")
    assert estimate(2**39).usd == 2.5
    for wrong in ("free", "-1", "nan"):
        monkeypatch.setenv("FSYNC_BIGQUERY_PRICE_PER_TIB", wrong)
        with pytest.raises(FsyncError, match="USD per TiB"):
            estimate(1)


def test_bytes_for_people() -> None:
    assert [format_bytes(n) for n in (0, 1023, 1024, 20 * MIB, 2**50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "20.0 MiB",
        "1.0 PiB",
    ]
