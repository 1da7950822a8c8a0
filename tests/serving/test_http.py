"""HTTP as clients really speak it: in pieces, many at once, too slowly, too much, and not at all."""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from sync.redis_server import RedisServer

from .conftest import Online, Serve, Server

ASK = {"requests": [{"entityId": "p1", "featureNames": ["player_skill:skill"]}]}
BODY = json.dumps(ASK).encode()
POST = b"POST /batch-features HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture
def server(online: Online, serve: Serve) -> Server:
    del online
    return serve("--timeout", "0.5")


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        yield connection


def received(connection: socket.socket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while more := connection.recv(65536):
        data += more
    return data


def test_a_request_in_single_bytes(server: Server) -> None:
    with connected(server) as connection:
        for byte in POST:
            connection.sendall(bytes([byte]))
        assert json.loads(received(connection).read())["features"][0]["entityId"] == "p1"


def test_requests_sent_at_once_are_answered_in_order(server: Server) -> None:
    paths = [b"/features/player_skill/p1", b"/health", b"/nope", b"/features/player_skill/p2"] * 20
    with connected(server) as connection:
        head = b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths[:-1])
        connection.sendall(head + b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % paths[-1])
        answers = read_all(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"200", b"404", b"200"] * 20
    assert b'"p1"' in answers[0]
    assert b'"p2"' in answers[-1]
    assert b"connection: close" in answers[-1]
    assert b"connection: close" not in answers[0]


def test_a_head_seen_before_says_what_it_says_and_no_more(server: Server) -> None:
    def ask(*lines: bytes, body: bytes = BODY) -> bytes:
        head = b"".join(b"%b\r\n" % line for line in (b"Host: y", *lines, b"Content-Length: %d" % len(body)))
        return b"POST /batch-features HTTP/1.1\r\n" + head + b"\r\n" + body

    other = BODY.replace(b"p1", b"p2")
    with connected(server) as connection:

        def answered(*parts: bytes) -> tuple[str, str]:
            for part in parts:
                connection.sendall(part)
                time.sleep(0.05 if len(parts) > 1 else 0)
            answer = received(connection)
            return json.loads(answer.read())["features"][0]["entityId"], str(answer.headers["x-request-id"])

        ids = [answered(ask())[1] for _ in range(3)]
        assert len(set(ids)) == 3
        assert answered(ask(body=other))[0] == "p2"
        whole = ask(body=other)
        assert answered(whole[:-9], whole[-9:])[0] == "p2"
        assert answered(whole[:9], whole[9:])[0] == "p2"
        named = ask(b"X-Request-Id: mine")
        assert [answered(named)[1] for _ in range(2)] == ["mine", "mine"]
        assert answered(ask())[1] != "mine"
        chunked = b"POST /batch-features HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        for body in (BODY, other, BODY):
            pieces = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            assert answered(chunked + pieces)[0] == body[body.index(b"p") :][:2].decode()
    last = ask(b"Connection: close")
    for before, count in ((b"", 1), (b"", 1), (whole, 2), (whole + whole, 3)):
        with connected(server) as connection:
            connection.sendall(before + last)
            answers = read_all(connection).split(b"HTTP/1.1 200")[1:]
            assert len(answers) == count
            assert [b'"p2"' in answer for answer in answers] == [True] * (count - 1) + [False]


def test_chunks_continue_head_and_http_1_0(server: Server) -> None:
    with connected(server) as connection:
        half = len(BODY) // 2
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:half], BODY[half:]))
        head = b"POST /batch-features HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(pieces + b"0\r\n\r\n")
        assert json.loads(received(connection).read())["features"][0]["entityId"] == "p1"
        connection.sendall(
            b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\nGET http://x/health?a=b HTTP/1.0\r\n\r\n"
        )
        first, second = read_all(connection).split(b"HTTP/1.1 ")[1:]
        assert first.endswith(b"\r\n\r\n")
        assert second.endswith(b'{"status":"ok"}')


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"400"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"200"),
        (b"GET /health HTTP/1.1\r\nX: " + b"x" * 70_000, b"431"),
        (b"POST /batch-features HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"4"),
        (b"POST /batch-features HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", b"413"),
        (
            b"POST /batch-features HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"fffff\r\n"
            + b" " * 0xFFFFF
            + b"\r\nfffff\r\n"
            + b" " * 0xFFFFF,
            b"413",
        ),
        (b"POST /batch-features HTTP/1.1\r\nContent-Length: 10\r\n\r\n{", b"408"),
        (b"GET /hea", b"408"),
    ],
)
def test_what_is_no_whole_request_is_answered_and_cut_off(server: Server, sent: bytes, status: bytes) -> None:
    with connected(server) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            answer = read_all(connection)
        except ConnectionResetError:
            # What it had not read when it closed.
            assert status == b"413"
    if answer:
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"connection: close" in answer
        assert answer.count(b"HTTP/1.1") == 1
    assert server.get("/health").status == 200


def test_many_idle_and_slow_connections_hold_up_nobody(server: Server) -> None:
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(400)]
    try:
        for connection in held[:200]:
            connection.sendall(POST[:-5])
        started = time.monotonic()
        for _ in range(20):
            assert server.post("/batch-features", ASK).status == 200
        assert time.monotonic() - started < 2
        time.sleep(1)
        # The slow ones were told; the idle ones may stay.
        assert all(connection.recv(12) == b"HTTP/1.1 408" for connection in held[:200])
        held[-1].sendall(POST)
        assert received(held[-1]).status == 200
    finally:
        for connection in held:
            connection.close()


def test_a_client_that_does_not_read(server: Server) -> None:
    requests = [{"entityId": f"p{n}", "featureNames": ["player_skill:skill"]} for n in range(900)]
    body = json.dumps({"requests": requests}).encode()
    post = b"POST /batch-features HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with connected(server) as connection:
        connection.settimeout(0.3)
        # It stops to read when its answers are not taken.
        with pytest.raises(TimeoutError):
            connection.sendall(post * 2000)
        assert server.post("/batch-features", ASK).status == 200


def test_a_stop_answers_what_is_under_way(tmp_path: Any, serve: Serve) -> None:
    own = RedisServer(tmp_path / "redis")
    own.start()
    try:
        with redis.Redis.from_url(own.url) as client:
            from .conftest import fill

            fill(Online(client))
            server = serve("--timeout", "5", url=own.url)
            assert server.post("/batch-features", ASK).status == 200
            client.client_pause(700)
            answers: list[int] = []
            thread = threading.Thread(
                target=lambda: answers.append(server.post("/batch-features", ASK).status)
            )
            with connected(server) as idle:
                thread.start()
                time.sleep(0.2)
                server.process.send_signal(signal.SIGTERM)
                thread.join(10)
                assert answers == [200]
                assert idle.recv(10) == b""
        assert server.process.wait(10) == 0
    finally:
        own.stop()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_leaves_no_files(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, serve: Serve, workers: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = serve("--workers", workers)
    assert len(list(tmp_path.iterdir())) == 1
    server.stop()
    assert (server.process.returncode, list(tmp_path.iterdir())) == (0, [])


def test_a_redis_that_hangs_is_a_clear_503(tmp_path: Any, serve: Serve) -> None:
    own = RedisServer(tmp_path / "redis")
    own.start()
    try:
        with redis.Redis.from_url(own.url) as client:
            from .conftest import fill

            fill(Online(client))
            server = serve("--timeout", "0.3", url=own.url)
            assert server.post("/batch-features", ASK).status == 200
            client.client_pause(1500)
            started = time.monotonic()
            answer = server.post("/batch-features", ASK)
            assert answer.status == 503
            assert "does not answer in time" in answer.json["error"]
            assert time.monotonic() - started < 1.2
            assert server.get("/health").status == 200
            deadline = time.monotonic() + 6
            while server.post("/batch-features", ASK).status != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        own.stop()


def test_any_worker_tells_the_counts_of_all(online: Online, serve: Serve) -> None:
    del online
    server = serve("--workers", "2")

    def counted() -> int:
        lines = server.get("/metrics").body.decode().splitlines()
        found = [line for line in lines if line.startswith('fsync_requests_total{route="/batch-features"')]
        return sum(int(line.rsplit(" ", 1)[1]) for line in found)

    for _ in range(40):
        assert server.post("/batch-features", ASK).status == 200
    time.sleep(1.5)
    assert {counted() for _ in range(10)} == {40}
