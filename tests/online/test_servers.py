"""Redis as it is run in earnest: a Cluster, Sentinels, TLS, users with few rights."""

import time
from datetime import datetime
from pathlib import Path
from unittest.mock import Mock

import pytest
import redis

from sync import FeatureStore, FsyncError
from sync.online import layout
from sync.online.write import ViewWriter
from tests.conftest import Arcade
from tests.online.conftest import Server, Start, free_port, sentinel_of, until

AS_OF = "2024-03-08"
VIEW = "player_activity@2"


def store_of(arcade: Arcade, url: str) -> FeatureStore:
    return FeatureStore(arcade.path, redis_url=url)


def in_shards(arcade: Arcade, shards: int, view: str = "player_day") -> None:
    with arcade.node(view) as node:
        node["config"]["meta"]["shards"] = shards


def many_players(arcade: Arcade, count: int, score: int) -> None:
    arcade.execute("delete from player_day")
    arcade.execute(
        f"insert into player_day select 'p' || i, date '2024-03-06', i + {score} from range({count}) as t (i)"
    )


def scores(store: FeatureStore, count: int) -> list[int]:
    answer = store.get_online_features([f"p{i}" for i in range(count)], "player_day", AS_OF)
    found: list[int] = answer.to_dict()["player_day:score"]
    return found


def test_a_cluster_of_three(arcade: Arcade, cluster: list[Server]) -> None:
    store = store_of(arcade, cluster[0].url)
    many_players(arcade, 3000, 0)
    in_shards(arcade, 8)
    results = {result.view: result for result in store.sync(as_of=AS_OF)}
    assert results["player_day"].entities == 3000
    holding = []
    for node in cluster:
        with redis.Redis(port=node.port) as client:
            holding.append(
                len([key for key in client.scan_iter() if b"player_day" in key and b":rows" in key])
            )
    assert sum(holding) == 8
    assert max(holding) < 8, "one node alone holds the view"
    assert scores(store, 3000) == list(range(3000))
    answer = store.get_online_features([("p1", "casual")], "churn_model", timestamp=AS_OF)
    assert answer.rows[0].features["player_activity:sessions"].value == 6
    many_players(arcade, 3000, 5)
    (again,) = store.sync(["player_day"], as_of=AS_OF)
    assert again.entities == 3000
    assert scores(store, 3) == [5, 6, 7]


def test_changes_and_pushes_in_a_cluster(arcade: Arcade, cluster: list[Server]) -> None:
    in_shards(arcade, 4, "player_activity.v2")
    store = store_of(arcade, cluster[1].url)
    store.sync([VIEW], as_of=AS_OF)
    rows = ", ".join(f"('q{i}', '2024-03-08', '2024-03-08 01:00:00', {i}, 0)" for i in range(50))
    arcade.execute(f"insert into player_activity_v2 values {rows}")
    (result,) = store.sync([VIEW], as_of="2024-03-09")
    assert (result.full, result.written, result.entities) == (None, 50, 52)
    event = "2024-03-09 01:00:00"
    pushed = [
        {
            "player_id": f"q{i}",
            "event_timestamp": event,
            "created_timestamp": event,
            "sessions": -i,
            "play_minutes": 0,
        }
        for i in range(40)
    ]
    import pandas

    frame = pandas.DataFrame(pushed)
    for column in ("event_timestamp", "created_timestamp"):
        frame[column] = pandas.to_datetime(frame[column])
    assert store.push(VIEW, frame).written == 40
    (full,) = store.sync([VIEW], as_of="2024-03-10", full_refresh=True)
    assert (full.kept, full.entities) == (40, 52)
    answer = store.get_online_features([f"q{i}" for i in range(50)], VIEW, timestamp="2024-03-10")
    values = answer.to_dict()["player_activity@2:sessions"]
    assert values == [-i if i < 40 else i for i in range(50)]
    (removed,) = store.sync([VIEW], as_of="2024-06-10")
    assert (removed.removed, removed.entities) == (52, 0)


def test_another_number_of_shards_leaves_nothing_behind(arcade: Arcade) -> None:
    many_players(arcade, 500, 0)
    for shards in (1, 4, 3, 1):
        in_shards(arcade, shards)
        (result,) = arcade.store().sync(["player_day"], as_of=AS_OF)
        assert (result.entities, scores(arcade.store(), 500)) == (500, list(range(500)))
        keys = {key.decode() for key in arcade.client.scan_iter() if b"player_day" in key}
        meta = layout.unpack_meta(arcade.client.hgetall("fsync:{arcade/player_day}:meta"))
        expected = layout.shard_keys("arcade", "player_day", shards, meta.fingerprint)
        assert keys == {one.rows for one in expected} | {expected[0].meta}


def test_rows_pushed_under_another_number_of_shards_go_with_them(arcade: Arcade) -> None:
    event = datetime(2024, 3, 8, 1)
    times = {"event_timestamp": event, "created_timestamp": event}
    rows = [{"player_id": f"q{i}", **times, "sessions": i, "play_minutes": 0.0} for i in range(40)]
    for shards in (1, 4, 2):
        in_shards(arcade, shards, "player_activity.v2")
        (result,) = arcade.store().sync([VIEW], as_of=AS_OF)
        assert (result.kept, result.entities) == (0, 2)
        meta = layout.unpack_meta(arcade.client.hgetall("fsync:{arcade/player_activity@2}:meta"))
        own = layout.shard_keys("arcade", VIEW, shards, meta.fingerprint)
        found = {key.decode() for key in arcade.client.scan_iter() if b"player_activity@2" in key}
        assert found <= {keys.rows for keys in own} | {own[0].meta}
        assert arcade.store().push(VIEW, rows).written == 40


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("killed", [False, True])
def test_what_is_pushed_to_any_shard_stays_through_a_redefinition(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch, late: bool, killed: bool
) -> None:
    in_shards(arcade, 4, "player_activity.v2")
    arcade.store().sync([VIEW], as_of=AS_OF)
    stream = arcade.store()
    assert stream.registry, "as it was"
    former = layout.unpack_meta(arcade.client.hgetall("fsync:{arcade/player_activity@2}:meta"))
    with arcade.node("player_activity.v2") as node:
        node["checksum"]["checksum"] = "another"
    event = datetime(2024, 3, 8, 1)
    times = {"event_timestamp": event, "created_timestamp": event}
    rows = [{"player_id": f"q{i}", **times, "sessions": i, "play_minutes": 0.0} for i in range(40)]
    carry = ViewWriter.carry

    def pushed_around(writer: ViewWriter, watermark: int, former: layout.ViewMeta | None) -> int:
        if not late:
            stream.push(VIEW, rows)
        carried = carry(writer, watermark, former)
        if late:
            stream.push(VIEW, [row for row in rows if layout.shard_of(row["player_id"], 4)])
        return carried

    monkeypatch.setattr(ViewWriter, "carry", pushed_around)
    if killed:
        # Right after the switch.
        with monkeypatch.context() as patch:
            patch.setattr("sync.online.write.settle", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                arcade.store().sync([VIEW], as_of="2024-03-09")
    (result,) = arcade.store().sync([VIEW], as_of="2024-03-09")
    assert result.full == (None if killed else "the view changed")
    kept = [i for i in range(40) if not late or layout.shard_of(f"q{i}", 4)]
    answer = arcade.store().get_online_features([f"q{i}" for i in kept], VIEW, timestamp="2024-03-09")
    assert answer.to_dict()["player_activity@2:sessions"] == kept
    meta = layout.unpack_meta(arcade.client.hgetall("fsync:{arcade/player_activity@2}:meta"))
    expected = layout.shard_keys("arcade", VIEW, 4, meta.fingerprint)
    assert sum(arcade.client.zcard(keys.pushed) for keys in expected) == len(kept)
    former_keys = layout.shard_keys("arcade", VIEW, 4, former.fingerprint)
    assert not any(arcade.client.exists(keys.rows, keys.pushed) for keys in former_keys[1:])
    assert meta.replaced is None
    with pytest.raises(FsyncError, match="defined otherwise"):
        stream.push(VIEW, rows)
    # As if the switch had come while it pushed.
    monkeypatch.setattr("sync.online.push._defined", lambda *_: former)
    with pytest.raises(FsyncError, match="defined otherwise"):
        stream.push(VIEW, [row for row in rows if layout.shard_of(row["player_id"], 4)])


@pytest.mark.parametrize("shards", [0, -1, "two", True, 5000])
def test_shards_that_cannot_be(arcade: Arcade, shards: object) -> None:
    with arcade.node("player_day") as node:
        node["config"]["meta"]["shards"] = shards
    assert "meta.shards" in arcade.fails("online", "--as-of", AS_OF)


def test_sentinels_know_the_primary(arcade: Arcade, start: Start, tmp_path: Path) -> None:
    primary = start("--save", "")
    replica = start("--save", "", "--replicaof", "127.0.0.1", str(primary.port))
    port = sentinel_of(primary, start, tmp_path)
    url = f"redis+sentinel://127.0.0.1:{port}/features/0"
    assert store_of(arcade, url).sync(as_of=AS_OF)
    with redis.Redis(port=replica.port) as client:
        until(lambda: client.info("replication").get("master_link_status") == "up", 20)
    primary.kill()
    deadline = time.monotonic() + 40
    while True:
        try:
            (result,) = store_of(arcade, url).sync(["player_day"], as_of=AS_OF)
            break
        except FsyncError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert result.error is None
    with redis.Redis(port=replica.port) as client:
        assert client.hlen("fsync:{arcade/player_day}:rows") == 1


def test_a_sentinels_url_without_a_name(arcade: Arcade) -> None:
    with pytest.raises(FsyncError, match="a Sentinel's URL is redis\\+sentinel://"):
        store_of(arcade, "redis+sentinel://127.0.0.1:1").sync(as_of=AS_OF)


def test_tls_and_users_with_no_more_rights_than_they_need(
    arcade: Arcade, start: Start, certificate: Path
) -> None:
    port = free_port()
    server = start(
        *("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--save", ""),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate.with_name("key.pem"))),
        *("--tls-ca-cert-file", str(certificate)),
        port=port,
    )
    assert server.port == port
    with redis.Redis(port=port, ssl=True, ssl_ca_certs=str(certificate)) as admin:
        commands = arcade.fsync("acl").stdout.splitlines()
        assert len(commands) == 3
        for command in commands:
            admin.execute_command(*command.replace(">PASSWORD", ">secret").split())
        admin.execute_command("ACL", "SETUSER", "default", "off")

    def as_user(user: str) -> FeatureStore:
        return store_of(arcade, f"rediss://{user}:secret@localhost:{port}/0?ssl_ca_certs={certificate}")

    writer = as_user("fsync_writer")
    assert {result.error for result in writer.sync(as_of=AS_OF)} == {None}
    times = dict.fromkeys(["event_timestamp", "created_timestamp"], datetime(2024, 3, 8, 1))
    row = {"player_id": "z", **times, "sessions": 1, "play_minutes": 1.0}
    assert writer.push(VIEW, [row, {**row, "player_id": "known"}]).written == 2
    assert {result.error for result in writer.sync(as_of="2024-03-09", full_refresh=True)} == {None}
    known = "('known', '2024-03-09 01:00:00', '2024-03-09 01:00:00', 1, 1.0)"
    arcade.execute(f"insert into player_activity_v2 values {known}")
    assert {result.error for result in writer.sync(as_of="2024-03-10")} == {None}
    (expired,) = writer.sync([VIEW], as_of="2024-04-08")
    assert (expired.full, expired.removed) == (None, 3), "a stray among them"
    assert len(writer.status(online_only=True)) == 6
    reader = as_user("fsync_churn_model")
    answer = reader.get_online_features([("known", "casual")], "churn_model", timestamp="2024-04-08")
    assert answer.rows[0].features["player_activity:sessions"].value == 1
    with pytest.raises(FsyncError, match="does not permit this user"):
        reader.get_online_features(["p1"], "player_day", timestamp=AS_OF)
    with pytest.raises(FsyncError, match="does not permit this user"):
        reader.sync(as_of="2024-03-11")
    with pytest.raises(FsyncError, match="refused the user or password"):
        store_of(arcade, f"rediss://x:y@localhost:{port}/0?ssl_ca_certs={certificate}").sync(as_of=AS_OF)
    with pytest.raises(FsyncError, match="cannot reach Redis"):
        store_of(arcade, f"rediss://fsync_writer:secret@localhost:{port}/0").sync(as_of=AS_OF)
