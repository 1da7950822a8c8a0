"""Nothing that comes in, and nothing that happens to Redis, makes the server fail or mix entities up."""

import http.client
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.instants import now
from sync.redis_server import RedisServer
from sync.registry.views import Feature, JoinKey

from .conftest import Online, Serve, Server

KEYS = (JoinKey("n", "integer"), JoinKey("d", "decimal"), JoinKey("t", "timestamp"), JoinKey("b", "boolean"))
QUIET = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture
def server(online: Online, serve: Serve) -> Server:
    online.view(
        "every_key", [Feature("x", "integer")], {"1,1,2020-01-01T00:00:00.000000Z,true": {"x": 1}}, keys=KEYS
    )
    return serve()


def test_no_request_that_fits_the_description_fails(server: Server) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")

    operations = []
    for operation in schema.get_all_operations():
        found = operation.ok()

        @given(case=found.as_strategy())
        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        def run(case: Any) -> None:
            answer = case.call(timeout=10)
            assert answer.status_code < 500, answer.text

        run()
        operations.append(found.path)
    assert {"/batch-features", "/get-online-features", "/features/{view}/{key}"} <= set(operations)


def test_no_body_makes_it_fail(server: Server) -> None:
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
    names = st.sampled_from(["skill", "player_skill:skill", "every_key:x", "@", "skill@9:skill", "x" * 300])
    entity = st.text() | st.integers()
    request = st.fixed_dictionaries({"entityId": entity, "featureNames": st.lists(names)})
    batch = st.fixed_dictionaries({"requests": st.lists(request, max_size=3)})
    late = "0001-01-01T00:00:00+14:00"
    odd = st.sampled_from([10**400, "9" * 5000, "1e999999999", 1e308, late, "\ud800", "\0"])
    column = st.lists(odd | json_values, min_size=1, max_size=1)
    entities = st.fixed_dictionaries({key.name: column for key in KEYS})
    online = st.fixed_dictionaries({"features": st.lists(names, max_size=2), "entities": entities})
    bodies = st.binary(max_size=60) | (json_values | batch | online).map(lambda v: json.dumps(v).encode())

    @QUIET
    @given(route=st.sampled_from(["/batch-features", "/get-online-features"]), body=bodies)
    def run(route: str, body: bytes) -> None:
        assert server.post(route, body).status < 500

    run()
    deep = b"[" * 100_000
    assert server.post("/batch-features", deep).status == 400
    assert server.get("/features/every_key/1,%FF%00,x,%2C").status < 500
    assert server.get("/features/every_key/1,1e999999999,2020-01-01,true").status == 400


def test_redis_killed_and_back_under_load(tmp_path: Path, serve: Serve) -> None:
    own = RedisServer(tmp_path / "redis")
    own.start()
    try:
        with redis.Redis.from_url(own.url) as client:
            rows: dict[str, Any] = {f"p{n}": {"n": n} for n in range(500)}
            Online(client).view("numbers", [Feature("n", "integer")], rows)
            client.save()
        server = serve(url=own.url)
        statuses: list[int] = []
        wrong: list[str] = []
        stop = threading.Event()

        def load(first: int) -> None:
            n = first
            while not stop.is_set():
                n = (n + 37) % 480
                wanted = range(n, n + 10)
                body = {"requests": [{"entityId": f"p{i}", "featureNames": ["n"]} for i in wanted]}
                answer = server.post("/batch-features", body)
                statuses.append(answer.status)
                if answer.status == 200:
                    found = [item["features"][0].get("number") for item in answer.json["features"]]
                    if found != list(wanted):
                        wrong.append(answer.body.decode())
                elif answer.status != 503 or "Redis" not in answer.json["error"]:
                    wrong.append(answer.body.decode())

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        own.stop()
        time.sleep(0.5)
        assert server.get("/health").status == 200
        assert server.get("/ready").status == 503
        own.start()
        deadline = time.monotonic() + 5
        while server.get("/ready").status != 200:
            assert time.monotonic() < deadline, "the server does not recover"
            time.sleep(0.05)
        before = len(statuses)
        time.sleep(0.4)
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[0]
        assert {200, 503} == set(statuses)
        assert set(statuses[before + 8 :]) == {200}
    finally:
        own.stop()


def test_switches_of_a_definition_under_load_are_never_mixed(online: Online, serve: Serve) -> None:
    """Generation n of the view holds n in all rows, a number in even ones and a text in odd ones."""

    def define(generation: int) -> None:
        feature = Feature("g", "string" if generation % 2 else "integer")
        value: Any = str(generation) if generation % 2 else generation
        rows: dict[str, Any] = {f"p{n}": {"g": value} for n in range(10)}
        online.view("flip", [feature], rows, fingerprint=f"generation {generation}")

    define(0)
    server = serve()
    stop = threading.Event()
    seen: set[int] = set()
    wrong: list[str] = []

    def load() -> None:
        body = {"requests": [{"entityId": f"p{n}", "featureNames": ["flip:g"]} for n in range(10)]}
        while not stop.is_set():
            answer = server.post("/batch-features", body)
            if answer.status == 503 and "over and over" in answer.json["error"]:
                continue
            values = [item["features"][0] for item in answer.json.get("features", [])]
            generations = {int(value.get("number", value.get("text", -1))) for value in values}
            kinds = {"text" in value for value in values}
            if answer.status != 200 or len(generations) != 1 or kinds != {max(generations) % 2 == 1}:
                wrong.append(answer.body.decode())
            seen.update(generations)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for generation in range(1, 150):
        define(generation)
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert len(seen) > 20


def test_syncs_without_pause_cost_readers_nothing(online: Online, serve: Serve) -> None:
    """Nobody asks twice because of them: five times, and a reader would have no answer."""
    features = [Feature("g", "integer")]

    def sync(generation: int) -> None:
        online.view("flip", features, {f"p{n}": {"g": generation} for n in range(10)})

    sync(0)
    server = serve()
    stop = threading.Event()

    def again() -> None:
        generation = 0
        while not stop.is_set():
            generation += 1
            sync(generation)

    writer = threading.Thread(target=again)
    writer.start()
    try:
        body = {"requests": [{"entityId": f"p{n}", "featureNames": ["flip:g"]} for n in range(10)]}
        seen = []
        for _ in range(300):
            answer = server.post("/batch-features", body)
            assert answer.status == 200, answer.body
            (generation,) = {item["features"][0]["number"] for item in answer.json["features"]}
            seen.append(generation)
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_a_damaged_row_fails_those_who_ask_for_it(online: Online, serve: Serve) -> None:
    """Of requests that are read together, as those are that wait for a server that was held up."""
    stamp = f"{now():016d}" * 2
    damaged = {
        "cut": "[0.5",
        "short": "[0.5]",
        "long": '[0.5,"x",1]',
        "two": '[0.5,"x"],[0.5,"x"]',
        "none": "",
    }
    sound = {f"p{number}": {"skill": number / 10, "tier": f"tier {number}"} for number in range(10)}
    features = [Feature("skill", "float"), Feature("tier", "string")]
    online.view("ranks", features, sound | {key: stamp + body for key, body in damaged.items()})
    server = serve()
    asked = [key for pair in zip(sound, [*damaged] * 2, strict=True) for key in pair]
    connections = {}
    for place, key in enumerate(asked):
        connections[place, key] = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connections[place, key].request("GET", "/health")
        connections[place, key].getresponse().read()
    server.process.send_signal(signal.SIGSTOP)
    for (_, key), connection in connections.items():
        connection.request("GET", f"/features/ranks/{key}")
    server.process.send_signal(signal.SIGCONT)
    for (_, key), connection in connections.items():
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        if key in damaged:
            assert (answer.status, told["error"]) == (
                503,
                "a row of ranks in Redis is damaged; sync it again",
            )
        else:
            assert answer.status == 200
            values = {name: feature["value"] for name, feature in told["features"].items()}
            assert values == {"ranks:skill": sound[key]["skill"], "ranks:tier": sound[key]["tier"]}
