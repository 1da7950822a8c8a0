"""The lineage of our own features, from the export's columns to what stands in Redis."""

import json

import pytest
import redis

from sync import FeatureStore
from tests.project.conftest import ROOT, Project


@pytest.fixture
def store(built: tuple[Project, str], redis_url: str, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    project, _ = built
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return FeatureStore(ROOT, redis_url=redis_url)


def test_every_feature_is_followed_to_the_export(store: FeatureStore) -> None:
    lineage = store.lineage()
    assert lineage.unread == {}
    for column in lineage.select(None):
        assert {lineage.relation_name(source.relation) for source in lineage.sources(column)} == {
            "firebase_events"
        }
    found = lineage.sources(lineage.find("player_monetization:revenue_total"))
    assert [column.column for column in found] == ["event_name", "event_value_in_usd"]
    geo = lineage.reached(lineage.find("firebase_events.geo"))
    assert [lineage.name(column) for column in geo if lineage.is_feature(column)] == [
        "player_profile:country"
    ]
    spent = lineage.reached(lineage.find("player_monetization:revenue_last_30d"))
    assert [lineage.name(column) for column in spent] == ["churn_training_set.revenue_last_30d"]


def test_its_keys_are_those_in_redis(store: FeatureStore, redis_url: str) -> None:
    from sync.lineage.report import redis_key

    store.sync(as_of="2026-06-12T13:45:00Z")
    lineage = store.lineage()
    with redis.Redis.from_url(redis_url) as client:
        assert client.hlen("fsync:{fsync/player_sessions}:rows") > 0
        for view in store.views():
            key = redis_key(lineage, view.model)
            assert (key is not None) == view.online
            if key:
                features = json.loads(client.hget(key.replace(":rows", ":meta"), "features"))
                assert [one["name"] for one in features] == [one.name for one in view.features]
