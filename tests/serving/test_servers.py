"""The server before Redis as it is run in earnest: a Cluster, Sentinels, TLS, a user with few rights."""

import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis

from sync import FeatureClient
from sync.errors import FsyncError
from sync.serving.servers import address_of
from tests.conftest import Arcade
from tests.online.conftest import Server as Redis
from tests.online.conftest import Start, certificate, cluster, free_port, sentinel_of, start, until
from tests.online.test_servers import AS_OF, in_shards, many_players, store_of

from .conftest import PROJECT, Serve, Server

__all__ = ["certificate", "cluster", "start"]

PLAYERS = [f"p{i}" for i in range(300)]


def scores(server: Server) -> list[int]:
    with FeatureClient(server.url) as client:
        answer = client.get_online_features(PLAYERS, "player_day", AS_OF)
    return list(answer.to_dict()["player_day:score"])


class Asking:
    """Asks for all players in a thread until the end; what came is counted."""

    def __init__(self, server: Server) -> None:
        self._server, self._stop = server, threading.Event()
        self.statuses: Counter[int] = Counter()
        self.answers: Counter[tuple[int, ...]] = Counter()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        asked = {"features": ["player_day:score"], "entities": {"player_id": PLAYERS}, "timestamp": AS_OF}
        while not self._stop.is_set():
            answer = self._server.post("/get-online-features", asked)
            self.statuses[answer.status] += 1
            if answer.status == 200:
                (column,) = answer.json["results"][1:]
                distances = {value - i for i, value in enumerate(column["values"])}
                self.answers[tuple(sorted(distances))] += 1


@pytest.fixture
def sharded(arcade: Arcade, cluster: list[Redis]) -> Arcade:
    many_players(arcade, len(PLAYERS), 0)
    in_shards(arcade, 8)
    assert {result.error for result in store_of(arcade, cluster[0].url).sync(as_of=AS_OF)} == {None}
    return arcade


def test_a_cluster_is_read_like_one_server(sharded: Arcade, cluster: list[Redis], serve: Serve) -> None:
    server = serve(url=cluster[1].url)
    assert server.get("/ready").json["views"] == 6
    assert scores(server) == list(range(len(PLAYERS)))
    asked: list[tuple[list[Any], Any]] = [
        ([("p1", "casual"), ("nobody", "casual")], "churn_model"),
        (["p1", "p7", "nobody"], ["player_day:score", "player_activity@2:sessions"]),
        ([], ["player_day:score"]),
    ]
    store = store_of(sharded, cluster[0].url)
    with FeatureClient(server.url) as client:
        for keys, features in asked:
            right = store.get_online_features(keys, features, timestamp=AS_OF)
            assert client.get_online_features(keys, features, timestamp=AS_OF) == right
    answer = server.post("/batch-features", {"requests": [{"entityId": "p1", "featureNames": ["skore"]}]})
    assert (answer.status, "score" in answer.json["error"]) == (404, True)


def test_a_redefinition_in_a_cluster_is_never_mixed(
    sharded: Arcade, cluster: list[Redis], serve: Serve
) -> None:
    server = serve(url=cluster[0].url)
    store = store_of(sharded, cluster[0].url)
    with Asking(server) as asking:
        for step, shards in enumerate([4, 8, 3, 8, 1, 8, 5, 2], start=1):
            in_shards(sharded, shards)
            many_players(sharded, len(PLAYERS), 1000 * step)
            (result,) = store_of(sharded, store.redis_url).sync(["player_day"], as_of=AS_OF)
            assert result.full
            until(lambda wanted=1000 * step: scores(server)[0] == wanted)
    assert set(asking.statuses) == {200}
    assert {len(distances) for distances in asking.answers} == {1}, asking.answers
    assert {distances for (distances,) in asking.answers} >= {0, 8000}


@pytest.mark.usefixtures("sharded")
def test_slots_that_move_are_found_again(cluster: list[Redis], serve: Serve) -> None:
    server = serve(url=cluster[0].url)
    assert scores(server) == list(range(len(PLAYERS)))
    with redis.Redis(port=cluster[0].port, decode_responses=True) as one:
        leaving = one.execute_command("CLUSTER", "MYID")
    with redis.Redis(port=cluster[1].port, decode_responses=True) as other:
        staying = other.execute_command("CLUSTER", "MYID")
    with Asking(server) as asking:
        moved = subprocess.run(
            [
                *("redis-cli", "--cluster", "reshard", f"127.0.0.1:{cluster[1].port}"),
                *("--cluster-from", leaving, "--cluster-to", staying),
                *("--cluster-slots", "6000", "--cluster-yes"),
            ],
            capture_output=True,
            text=True,
        )
        assert moved.returncode == 0, moved.stdout[-2000:] + moved.stderr
        # The one that the URL names.
        cluster[0].kill()
        until(lambda: server.get("/ready").status == 200)
    assert set(asking.statuses) <= {200, 503}
    assert set(asking.answers) == {(0,)}
    assert scores(server) == list(range(len(PLAYERS)))


def test_a_primary_that_dies_is_replaced(arcade: Arcade, start: Start, serve: Serve, tmp_path: Path) -> None:
    primary = start("--save", "")
    replica = start("--save", "", "--replicaof", "127.0.0.1", str(primary.port))
    port, nobody = sentinel_of(primary, start, tmp_path), free_port()
    url = f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{port}/features/0"
    many_players(arcade, len(PLAYERS), 0)
    store_of(arcade, url).sync(as_of=AS_OF)
    server = serve(url=url)
    assert scores(server) == list(range(len(PLAYERS)))
    with redis.Redis(port=replica.port) as client, redis.Redis(port=port) as sentinel:
        until(lambda: client.info("replication").get("master_link_status") == "up")
        until(lambda: len(sentinel.execute_command("SENTINEL", "REPLICAS", "features")) == 1)
        primary.kill()
        assert server.get("/ready").status == 503
        until(lambda: server.get("/ready").status == 200)
        assert client.info("replication")["role"] == "master"
    assert scores(server) == list(range(len(PLAYERS)))


def test_another_primary_is_followed_while_the_former_answers(
    arcade: Arcade, start: Start, serve: Serve, tmp_path: Path
) -> None:
    former, other = start("--save", ""), start("--save", "")
    port = sentinel_of(former, start, tmp_path)
    for score, primary in ((0, former), (5, other)):
        many_players(arcade, len(PLAYERS), score)
        store_of(arcade, primary.url).sync(as_of=AS_OF)
    server = serve(url=f"redis+sentinel://127.0.0.1:{port}/features/0")
    assert scores(server)[0] == 0
    astray = f"redis://127.0.0.1:{port}/0"
    assert "this is a Sentinel; write" in serve(url=astray).get("/ready").json["error"]
    with pytest.raises(FsyncError, match=r"is a Sentinel; write redis\+sentinel://"):
        store_of(arcade, astray).sync(as_of=AS_OF)
    with redis.Redis(port=port) as sentinel, Asking(server) as asking:
        sentinel.execute_command("SENTINEL", "REMOVE", "features")
        sentinel.execute_command("SENTINEL", "MONITOR", "features", "127.0.0.1", other.port, 1)
        until(lambda: asking.answers[5,] > 0)
    assert set(asking.statuses) <= {200, 503}
    assert set(asking.answers) == {(0,), (5,)}


def test_tls_by_an_authority_of_ones_own_and_a_user_with_few_rights(
    arcade: Arcade, start: Start, certificate: Path, serve: Serve
) -> None:
    port = free_port()
    start(
        *("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--save", ""),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate.with_name("key.pem"))),
        *("--tls-ca-cert-file", str(certificate)),
        port=port,
    )
    with redis.Redis(port=port, ssl=True, ssl_ca_certs=str(certificate)) as admin:
        for command in arcade.fsync("acl").stdout.splitlines():
            admin.execute_command(*command.replace(">PASSWORD", ">secret").split())
    many_players(arcade, len(PLAYERS), 0)
    where, trusted = f"localhost:{port}/0", f"ssl_ca_certs={certificate}"
    store_of(arcade, f"rediss://fsync_writer:secret@{where}?{trusted}").sync(as_of=AS_OF)
    server = serve(url=f"rediss://fsync_server:secret@{where}?{trusted}")
    assert scores(server) == list(range(len(PLAYERS)))
    stranger = serve(url=f"rediss://fsync_server:secret@{where}")
    answer = stranger.get("/ready")
    assert (answer.status, "certificate is not trusted" in answer.json["error"]) == (503, True)
    careless = serve(url=f"rediss://fsync_server:secret@{where}?ssl_cert_reqs=none")
    assert careless.get("/ready").status == 200


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://user:secret@host", "it begins with redis://, rediss://, unix:// or redis.sentinel://"),
        ("redis://user:secret@host:port/0", "its port or its database is no number"),
        ("redis://user:secret@host/x", "its port or its database is no number"),
        ("redis+sentinel://user:secret@host:1", "a Sentinel's URL is redis.sentinel://host:26379/"),
        ("rediss://user:secret@host?ssl_ca_certs=/no/file", "a certificate .* cannot be read: No such file"),
    ],
)
def test_a_url_that_is_none_is_said_without_its_password(url: str, message: str) -> None:
    with pytest.raises(FsyncError, match=message) as raised:
        address_of(url)
    assert "secret" not in str(raised.value)
    command = [*Server.command, "serve", "--project", PROJECT, "--redis-url", url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (1, "", 1)
    assert "secret" not in run.stderr
