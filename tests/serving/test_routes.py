import subprocess
import sys
from typing import Any

import pytest

from sync.instants import DAY
from sync.registry.views import Feature

from .conftest import PROJECT, Online, Serve, Server

pytestmark = pytest.mark.usefixtures("online")


def batch(server: Server, *requests: dict[str, Any], **rest: Any) -> Any:
    answer = server.post("/batch-features", {"requests": requests, **rest})
    assert answer.status == 200, answer.body
    return answer.json["features"]


def test_a_game_client_is_answered_in_lists_and_in_order(serve: Serve) -> None:
    server = serve()
    names = ["tier", "skill", "player_skill:payer"]
    unity = {"featureNames": names, "service": "", "requestTime": 12.5}
    results = batch(
        server, *({"entityId": key, **unity} for key in ("p1", "p2", "nobody", "old", "p1", "p3"))
    )
    assert [result["entityId"] for result in results] == ["p1", "p2", "nobody", "old", "p1", "p3"]
    p1, p2, nobody, old, again, p3 = ([*result["features"]] for result in results)
    assert p1 == [
        {"name": "tier", "status": "PRESENT", "text": "gold"},
        {"name": "skill", "status": "PRESENT", "number": 0.25},
        {"name": "player_skill:payer", "status": "PRESENT", "flag": True},
    ]
    assert again == p1
    assert p2 == [
        {"name": "tier", "status": "PRESENT", "text": "null"},
        {"name": "skill", "status": "NULL"},
        {"name": "player_skill:payer", "status": "PRESENT", "flag": False},
    ]
    assert nobody == [
        {"name": "tier", "status": "NOT_FOUND"},
        {"name": "skill", "status": "NOT_FOUND", "number": 0.5},
        {"name": "player_skill:payer", "status": "NOT_FOUND"},
    ]
    assert [item["status"] for item in old] == ["OUTSIDE_MAX_AGE"] * 3
    assert p3[0] == {"name": "tier", "status": "PRESENT", "text": "a:b:c"}
    assert [item["status"] for item in p3] == ["PRESENT", "NULL", "NULL"]


def test_values_in_the_order_of_the_row_are_the_same(serve: Serve) -> None:
    server = serve()
    names = ["skill", "tier", "payer"]
    for key in ("p1", "p2", "p3", "old", "nobody"):
        (straight,) = batch(server, {"entityId": key, "featureNames": names})
        (turned,) = batch(server, {"entityId": key, "featureNames": names[::-1]})
        (dated,) = batch(server, {"entityId": key, "featureNames": names}, eventTimestamps=True)
        assert straight["features"] == turned["features"][::-1]
        found = [{k: v for k, v in item.items() if k != "eventTimestamp"} for item in dated["features"]]
        assert found == straight["features"]
        assert all(("eventTimestamp" in item) == (key != "nobody") for item in dated["features"])


def test_a_service_and_a_composite_key_and_one_bad_entity(serve: Serve) -> None:
    server = serve()
    results = batch(
        server,
        {"entityId": "p1,casual", "service": "modes"},
        {"entityId": "p1", "service": "modes"},
        {"entityId": "p1", "service": "game"},
    )
    assert results[0]["features"] == [{"name": "player_mode:wins", "status": "PRESENT", "number": 7}]
    assert "player_id, mode" in results[1]["error"]
    assert results[1]["features"] == []
    assert [item["name"] for item in results[2]["features"]] == ["player_skill:skill", "player_skill:tier"]


def test_feast_asks_in_columns(serve: Serve) -> None:
    server = serve()
    body = {
        "features": ["player_skill:tier", "player_skill:skill"],
        "entities": {"player_id": ["p1", "p2", "x", 5]},
    }
    answer = server.post("/get-online-features", body).json
    assert answer["metadata"]["feature_names"] == ["player_id", "tier", "skill"]
    key, tier, skill = answer["results"]
    assert key["values"] == ["p1", "p2", "x", 5]
    assert tier["values"] == ["gold", "null", None, None]
    assert skill["values"] == [0.25, None, 0.5, None]
    assert skill["statuses"] == ["PRESENT", "NULL_VALUE", "NOT_FOUND", "INVALID"]
    assert all(len(column["event_timestamps"]) == 4 for column in answer["results"])
    full = server.post("/get-online-features", {**body, "full_feature_names": True}).json
    assert full["metadata"]["feature_names"] == ["player_id", "player_skill__tier", "player_skill__skill"]
    past = server.post("/get-online-features", {**body, "timestamp": "2020-01-01"}).json
    assert set(past["results"][1]["statuses"][:3]) == {"NOT_FOUND"}


def test_one_entity_and_the_services(serve: Serve) -> None:
    server = serve()
    found = server.get("/features/player_mode/p1,casual").json
    assert found["keys"] == {"player_id": "p1", "mode": "casual"}
    assert found["features"]["player_mode:wins"]["value"] == 7
    listed = server.get("/services").json["services"]
    assert [service["name"] for service in listed] == ["crm", "game", "modes"]


def test_mistakes_are_told(serve: Serve) -> None:
    server = serve("--max-entities", "3", "--max-body", "2000")
    several = {"requests": [{"entityId": "p1", "service": "game"}] * 4}
    cases: list[tuple[int, str, Any]] = [
        (404, "did you mean 'skill'", {"requests": [{"entityId": "p1", "featureNames": ["skil"]}]}),
        (
            404,
            "did you mean 'player_skill'",
            {"requests": [{"entityId": "p1", "featureNames": ["player_skil:x"]}]},
        ),
        (400, "no feature is asked for", {"requests": [{"entityId": "p1"}]}),
        (400, "requests", {}),
        (413, "at most 3", several),
        (413, "2000", {"requests": [{"entityId": "x" * 3000, "service": "game"}]}),
    ]
    for status, words, body in cases:
        answer = server.post("/batch-features", body)
        assert (answer.status, words in answer.json["error"]) == (status, True), answer.body
    assert server.get("/batch-features").status == 405
    assert server.get("/nothing").status == 404
    answer = server.get("/health", X_Request_ID="mine-1")
    assert answer.headers["x-request-id"] == "mine-1"
    assert server.get("/health", X_Request_ID="a b").headers["x-request-id"] != "a b"


def test_a_changed_view_is_read_as_a_whole_without_restart(online: Online, serve: Serve) -> None:
    server = serve()
    names = {"entityId": "p1", "featureNames": ["player_mode@2:wins"]}
    assert server.post("/batch-features", {"requests": [names]}).status == 404
    assert server.get("/features/player_skill/p1").json["features"]["player_skill:skill"]["value"] == 0.25
    online.view("player_skill", [Feature("skill", "string")], {"p1": {"skill": "high"}}, fingerprint="two")
    changed = server.get("/features/player_skill/p1").json["features"]
    assert {name: item["value"] for name, item in changed.items()} == {"player_skill:skill": "high"}
    online.view("player_new", [Feature("x", "integer")], {"p1": {"x": 1}})
    assert server.get("/features/player_new/p1").json["features"]["player_new:x"]["value"] == 1


def test_a_ttl_a_default_and_a_grant_count_from_the_sync_that_brings_them(
    online: Online, serve: Serve
) -> None:
    """None of them changes what a row means, so the fingerprint stays."""
    skill, ttl = Feature("skill", "float"), 5 * DAY

    def put(feature: Feature, ttl: int) -> None:
        online.view("ranks", [feature], {"p1": {"skill": 0.5}}, ttl=ttl, age=2 * DAY)

    def answer(player: str = "p1") -> tuple[Any, str]:
        item = server.get(f"/features/ranks/{player}").json["features"]["ranks:skill"]
        return item["value"], item["status"]

    put(skill, ttl)
    server = serve()
    assert answer() == (0.5, "PRESENT")
    put(skill, DAY)
    assert answer() == (None, "OUTSIDE_MAX_AGE")
    put(Feature("skill", "float", default=0.1), DAY)
    assert answer() == (0.1, "OUTSIDE_MAX_AGE")
    put(skill, ttl)
    assert answer() == (0.5, "PRESENT")
    assert answer("p9") == (None, "NOT_FOUND")
    put(Feature("skill", "float", pii=True), ttl)
    refused = server.get("/features/ranks/p1")
    assert refused.status == 403
    assert refused.json["error"] == "all of 'ranks' is personal data, and reading it was not granted"


def test_a_view_of_which_a_newer_fsync_tells_more_is_served(online: Online, serve: Serve) -> None:
    online.view("ranks", [Feature("skill", "float")], {"p1": {"skill": 0.5}})
    told = {"features": '[{"name":"skill","type":"float","unit":"elo"}]', "definition": "of more"}
    online.client.hset(f"fsync:{{{PROJECT}/ranks}}:meta", mapping=told)
    assert serve().get("/features/ranks/p1").json["features"]["ranks:skill"]["value"] == 0.5


def test_metrics_count_what_was_found(serve: Serve) -> None:
    server = serve()
    batch(server, *({"entityId": key, "service": "game"} for key in ("p1", "p2", "nobody", "old")))
    text = server.get("/metrics").body.decode()
    assert 'fsync_rows_total{view="player_skill",outcome="found"} 2' in text
    assert 'fsync_rows_total{view="player_skill",outcome="missing"} 1' in text
    assert 'fsync_rows_total{view="player_skill",outcome="expired"} 1' in text
    assert 'fsync_request_seconds_count{route="/batch-features"} 1' in text
    assert 'fsync_view_event_age_seconds{view="player_skill"}' in text


def test_the_log_has_ids_and_no_player(serve: Serve) -> None:
    server = serve("--access-log")
    server.get("/features/player_skill/somebody", X_Request_ID="trace-7")
    output = server.stop()
    assert '"request_id":"trace-7"' in output
    assert '"route":"/features"' in output
    assert "somebody" not in output


def test_the_server_imports_nothing_heavy() -> None:
    code = (
        "import sys, sync.serving.app, sync.serving.server\n"
        "print([name for name in ('dbt', 'duckdb', 'pyarrow', 'sqlglot', 'pandas') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_view_that_cannot_be_read_keeps_nobody_from_the_others(online: Online, serve: Serve) -> None:
    server = serve()
    key = f"fsync:{{{PROJECT}/player_mode}}:meta"
    online.client.hset(key, "features", "{")
    assert server.get("/ready").status == 200
    assert server.get("/features/player_skill/p1").status == 200
    answer = server.get("/features/player_mode/p1,casual")
    assert answer.status == 503
    assert "player_mode" in answer.json["error"]
    assert "--full-refresh" in answer.json["error"]
