import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sync import FeatureClient, FeatureStore, FsyncError

from .conftest import PROJECT, Online, Serve


@pytest.fixture
def store(tmp_path: Path, redis_url: str) -> FeatureStore:
    (tmp_path / "dbt_project.yml").write_text(f"name: {PROJECT}\n")
    return FeatureStore(tmp_path, redis_url=redis_url)


@pytest.mark.usefixtures("online")
def test_the_server_answers_what_the_store_answers(serve: Serve, store: FeatureStore) -> None:
    with FeatureClient(serve().url) as client:
        _compare(client, store)


def _compare(client: FeatureClient, store: FeatureStore) -> None:
    skill: list[Any] = ["player_skill:tier", "player_skill:skill"]
    as_of = datetime(2100, 1, 1, tzinfo=UTC)
    asked: list[tuple[Any, list[Any], Any]] = [
        ("player_skill", ["p1", "p2", "p3", "old", "nobody", "p1"], None),
        ("game", [{"player_id": "p1"}], None),
        (skill, [("p1",)], as_of),
        ("player_mode:wins", [("p1", "casual"), {"mode": "ranked", "player_id": "p1"}], None),
        ("game", [], None),
    ]
    for features, keys, instant in asked:
        answer = client.get_online_features(keys, features, instant)
        assert answer.rows == store.get_online_features(keys, features, instant).rows
        assert asyncio.run(client.get_online_features_async(keys, features, instant)).rows == answer.rows
    table = client.get_online_features(["p1", "p2"], skill).to_arrow()
    assert table.to_pydict()["player_skill:tier"] == ["gold", "null"]
    assert list(client.get_online_features(["p1"], skill).to_pandas()["player_skill:skill"]) == [0.25]


@pytest.mark.usefixtures("online")
def test_what_goes_wrong_is_told(serve: Serve) -> None:
    server = serve()
    client = FeatureClient(server.url, token="fsync_0_secret")
    for features, keys, words in (
        ("player_skil", ["p1"], "did you mean 'player_skill'"),
        ("player_mode", ["p1"], "needed: player_id, mode"),
        ("player_skill", [5], "is of type string"),
        ("player_skill", "p1", r"entity_keys is a list of keys; write \['p1'\]"),
    ):
        with pytest.raises(FsyncError, match=words):
            client.get_online_features(keys, features)
    assert "secret" not in repr(client)
    server.stop()
    with pytest.raises(FsyncError, match="cannot reach http"):
        client.get_online_features(["p1"], "game")
    with pytest.raises(FsyncError, match="not the URL"):
        FeatureClient("localhost:6566")


def test_a_kept_connection_that_the_server_closed(online: Online, serve: Serve) -> None:
    del online
    server = serve()
    client = FeatureClient(server.url)
    client.get_online_features(["p1"], "game")
    client._idle[0].sock.close()
    assert client.get_online_features(["p1"], "game").rows
    client.close()
