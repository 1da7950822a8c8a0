"""`fsync stream` from a real Redis Stream, and from Kafka's protocol, into a real Redis."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from sync import FeatureStore, FsyncError
from sync.instants import now
from sync.redis_server import RedisServer
from sync.stream.log import Batch
from sync.stream.open import open_log
from sync.stream.run import Step
from tests.stream.test_live import order

Send = Callable[..., None]
ROWS = "fsync:{shop/spend}:rows"
TOPIC = "game_orders"


@pytest.fixture
def log_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "log")
    server.start()
    yield server
    server.stop()


def adds(url: str) -> Send:
    def send(*messages: Any, at: str = "*") -> None:
        with redis.Redis.from_url(url) as client:
            for message in messages:
                value = message if isinstance(message, bytes) else json.dumps(message)
                client.xadd(TOPIC, {"value": value}, id=at)

    return send


def orders_of(store: FeatureStore) -> dict[str, Any]:
    """By player, the number of orders in Redis."""
    return {key.decode(): json.loads(row[32:])[1] for key, row in store._client.hgetall(ROWS).items()}


def until(steps: Iterator[Step], condition: Callable[[Step], Any]) -> Step:
    for step in steps:
        if condition(step):
            return step
    raise AssertionError


@contextmanager
def streamed(store: FeatureStore, url: str, **options: Any) -> Iterator[Iterator[Step]]:
    store.sync(["spend"])
    with closing(store.stream("spend", log=url, topic=TOPIC, **options)) as steps:
        yield steps


def test_what_stands_in_the_log_and_what_comes(store: FeatureStore, log_server: RedisServer) -> None:
    send = adds(log_server.url)
    send(order(1), order(2, "p2"), b"{")
    with streamed(store, log_server.url) as steps:
        first = next(steps)
        assert (first.events, first.refused, first.fault) == (2, 1, "it is no JSON")
        assert (first.kept, first.rows, first.written) == (2, 2, 2)
        assert first.behind is not None
        assert 0 <= first.behind < 60
        assert orders_of(store) == {"p1": 1, "p2": 1}
        send(order(3, hour=1))
        second = next(steps)
        assert (second.events, second.refused, second.kept, second.written) == (1, 0, 3, 1)
        assert orders_of(store) == {"p1": 2, "p2": 1}


def test_a_restart_reads_as_much_again_and_writes_nothing_older(
    store: FeatureStore, log_server: RedisServer
) -> None:
    send = adds(log_server.url)
    old = f"{int(time.time() * 1000) - 3 * 86_400_000}-1"
    send(order(0), at=old)
    send(order(1), order(2, hour=2))
    with streamed(store, log_server.url, keep="2d") as steps:
        # The order of three days ago is past what is kept.
        assert next(steps).events == 2
        assert orders_of(store) == {"p1": 2}
    with closing(store.stream("spend", log=log_server.url, topic=TOPIC)) as steps:
        again = next(steps)
        assert (again.events, again.rows, again.written) == (2, 1, 0)
    with closing(store.stream("spend", log=log_server.url, topic=TOPIC, keep="5d")) as steps:
        assert next(steps).events == 3


def test_while_redis_is_away_nothing_is_lost(shop: Path, log_server: RedisServer, tmp_path: Path) -> None:
    target = RedisServer(tmp_path / "features")
    target.start()
    try:
        with FeatureStore(shop, redis_url=target.url) as store:
            send = adds(log_server.url)
            send(order(1))
            with streamed(store, log_server.url) as steps:
                assert next(steps).written == 1
                target.stop()
                send(order(2, hour=1))
                assert "Redis" in str(until(steps, lambda step: step.error).error)
                target.start()
                store.sync(["spend"])
                send(order(3, hour=2))
                until(steps, lambda step: step.written)
                assert orders_of(store) == {"p1": 3}
    finally:
        target.stop()


def test_while_the_log_is_away_it_is_tried_again(store: FeatureStore, log_server: RedisServer) -> None:
    send = adds(log_server.url)
    send(order(1))
    with streamed(store, log_server.url) as steps:
        assert next(steps).written == 1
        log_server.stop()
        assert until(steps, lambda step: step.error).events == 0
        log_server.start()
        send(order(2, hour=1))
        assert until(steps, lambda step: step.written).events == 1
        assert orders_of(store) == {"p1": 2}


def test_a_view_redefined_meanwhile_ends_the_stream(store: FeatureStore, log_server: RedisServer) -> None:
    send = adds(log_server.url)
    send(order(1))
    with streamed(store, log_server.url) as steps:
        next(steps)
        store._client.hset("fsync:{shop/spend}:meta", "fingerprint", "another")
        send(order(2))
        with pytest.raises(FsyncError, match="is defined otherwise in Redis than in the project"):
            next(steps)


def read_all(url: str, since: int = 0) -> list[bytes]:
    with closing(open_log(url, TOPIC, since)) as log:
        found: list[bytes] = []
        deadline = time.monotonic() + 30
        while not log.caught_up and time.monotonic() < deadline:
            found += log.read(0.2).values
        assert log.caught_up
        return found + log.read(0.1).values


def test_a_stream_is_read_from_an_instant_on(log_server: RedisServer) -> None:
    with redis.Redis.from_url(log_server.url) as client:
        assert read_all(log_server.url) == []
        for name, value in (("999-0", "a"), ("1000-0", "b"), ("1000-1", "c"), ("2000-0", "d")):
            client.xadd(TOPIC, {"value": value, "other": "x"}, id=name)
        assert read_all(log_server.url) == [b"a", b"b", b"c", b"d"]
        assert read_all(log_server.url, 1_000_000) == [b"b", b"c", b"d"]
        client.xadd(TOPIC, {"event": "e"})
        assert read_all(log_server.url, 2_001_000) == [b"e"]
        # The newest entry, by which the end was known, may be gone.
        with closing(open_log(log_server.url, TOPIC, 0)) as log:
            client.xtrim(TOPIC, maxlen=0, approximate=False)
            assert log.read(0.01) == Batch([], [])
            assert log.caught_up
        client.delete(TOPIC)
        client.set(TOPIC, "no stream")
        with pytest.raises(FsyncError, match="cannot read the Redis Stream game_orders: WRONGTYPE"):
            open_log(log_server.url, TOPIC, 0)


BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP")


@pytest.fixture
def kafka() -> tuple[str, Send]:
    """The broker at KAFKA_BOOTSTRAP; else librdkafka's own: Kafka's protocol, but no times."""
    library = pytest.importorskip("confluent_kafka")
    mock = {"test.mock.num.brokers": 1, "log_level": 0}
    producer = library.Producer({"bootstrap.servers": BOOTSTRAP} if BOOTSTRAP else mock)
    (broker,) = producer.list_topics(timeout=10).brokers.values()

    def send(topic: str, *messages: Any) -> None:
        for number, message in enumerate(messages):
            value = message if isinstance(message, bytes) else json.dumps(message).encode()
            producer.produce(topic, value, key=str(number))
        assert producer.flush(10) == 0

    return f"kafka://{broker.host}:{broker.port}", send


def test_all_partitions_of_a_topic_are_followed(kafka: tuple[str, Send]) -> None:
    url, send = kafka
    topic = f"game_{uuid4().hex}"
    send(topic, b"before")
    in_an_hour = now() + 3_600_000_000
    with closing(open_log(url, topic, in_an_hour)) as log:
        found, arrived = list[bytes](), list[int]()
        sent = [str(number).encode() for number in range(40)]
        send(topic, *sent)
        deadline = time.monotonic() + 30
        while (len(found) < 40 or not log.caught_up) and time.monotonic() < deadline:
            batch = log.read(0.2)
            found += batch.values
            arrived += batch.arrived
        assert log.caught_up
    assert sorted(found) == sorted(sent)
    assert all(abs(now() - one) < 60_000_000 for one in arrived)


@pytest.mark.skipif(not BOOTSTRAP, reason="needs a Kafka broker: KAFKA_BOOTSTRAP=host:9092")
def test_a_topic_is_read_from_an_instant_on(kafka: tuple[str, Send], store: FeatureStore) -> None:
    url, send = kafka
    topic = f"game_{uuid4().hex}"
    send(topic, order(1), order(2, "p2"), b"{", order(3, "p3"), order(4, "p4"))
    store.sync(["spend"])
    for _ in range(2):
        with closing(store.stream("spend", log=url, topic=topic)) as steps:
            first = next(steps)
            assert (first.events, first.refused, first.rows) == (4, 1, 4)
            assert orders_of(store) == {"p1": 1, "p2": 1, "p3": 1, "p4": 1}
    with closing(store.stream("spend", log=url, topic=topic, keep="1s")) as steps:
        time.sleep(1.5)
        send(topic, order(5, "p5"))
        assert next(steps).events == 1


def test_a_broker_or_topic_that_is_not_there(
    kafka: tuple[str, Send], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = kafka
    monkeypatch.setattr("sync.stream.kafka.SECONDS", 1)
    for wrong, words in (
        ("kafka://127.0.0.1:1", "Kafka at 127.0.0.1:1: Failed to get metadata"),
        ("kafka://", "names no broker; write kafka://host:9092"),
        (f"{url}/topic?sasl.password=secret", f"'{url}/topic' names no broker"),
        ("kafak://me:secret@host?sasl.password=secret", "'kafak://me:***@host'"),
        (f"{url}?retries.of.mine=1", 'No such configuration property: "retries.of.mine"'),
        ("kafak://host", "cannot read events from 'kafak://host' (did you mean 'kafka'?)"),
        ("redis://127.0.0.1:1", "; check --from"),
    ):
        with pytest.raises(FsyncError) as caught:
            open_log(wrong, TOPIC, 0)
        assert words in str(caught.value)
        assert "secret" not in str(caught.value)


def command(shop: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", "from sync.cli import main; main()", "stream", *arguments],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("json_lines", [True, False])
def test_the_command_tells_what_it_does_and_ends_when_told(
    store: FeatureStore, log_server: RedisServer, redis_url: str, json_lines: bool
) -> None:
    store.sync(["spend"])
    adds(log_server.url)(order(1), b"{")
    options = ["--from", log_server.url, "--topic", TOPIC, "--redis-url", redis_url, "--every", "1s"]
    running = command(store.project.directory, "spend", *options, *(["--json"] if json_lines else []))
    assert running.stdout is not None
    line = running.stdout.readline()
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 0
    if json_lines:
        step = json.loads(line)
        assert (step["events"], step["refused"], step["written"], step["fault"]) == (1, 1, 1, "it is no JSON")
        assert errors == ""
    else:
        assert line.startswith("1 event, 1 row written; models ")
        assert " s over 1 event, " in line
        assert errors == "fsync: 1 message refused: it is no JSON\n"


def test_a_view_that_is_not_in_redis_yet(shop: Path, log_server: RedisServer, redis_url: str) -> None:
    adds(log_server.url)(order(1))
    options = ["--from", log_server.url, "--topic", TOPIC, "--redis-url", redis_url]
    running = command(shop, "spend", *options)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (1, "fsync: spend is not in Redis yet; run `fsync online` first\n")
