import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sync.cli.app import app
from sync.online import layout
from sync.online.tokens import TokenStore

from .conftest import PROJECT, Online, Serve, Server

Fsync = Callable[..., str]

pytestmark = pytest.mark.usefixtures("online")


@pytest.fixture
def fsync(tmp_path: Path, redis_url: str) -> Fsync:
    (tmp_path / "dbt_project.yml").write_text(f"name: {PROJECT}\n")

    def run(*arguments: str) -> str:
        env = {"DBT_PROJECT_DIR": str(tmp_path), "FSYNC_REDIS_URL": redis_url}
        result = CliRunner().invoke(app, ["token", *arguments], env=env)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    return run


def ask(server: Server, token: str | None) -> dict[str, int]:
    """The status of each route that could show the game's, the CRM's and a player's personal features."""

    def post(path: str, body: object) -> int:
        return server.post(path, body, token).status

    def items(reference: str) -> dict[str, object]:
        return {"requests": [{"entityId": "p1", "featureNames": [reference]}]}

    entities = {"entities": {"player_id": ["p1"]}}
    return {
        "batch game": post("/batch-features", items("player_skill:skill")),
        "batch crm": post("/batch-features", items("player_profile:country")),
        "batch bare crm": post("/batch-features", items("country")),
        "batch pii": post("/batch-features", items("player_profile:email")),
        "batch other feature": post("/batch-features", items("player_skill:payer")),
        "service game": post("/batch-features", {"requests": [{"entityId": "p1", "service": "game"}]}),
        "service crm": post("/batch-features", {"requests": [{"entityId": "p1", "service": "crm"}]}),
        "feast game": post("/get-online-features", {"features": ["player_skill:skill"], **entities}),
        "feast crm": post("/get-online-features", {"features": ["player_profile:country"], **entities}),
        "feast service crm": post("/get-online-features", {"feature_service": "crm", **entities}),
        "rows game": post("/online-features", {"features": "game", "keys": ["p1"]}),
        "rows crm": post("/online-features", {"features": ["player_profile:country"], "keys": ["p1"]}),
        "rows service crm": post("/online-features", {"features": "crm", "keys": ["p1"]}),
        "view game": server.get("/features/player_skill/p1", token).status,
        "view crm": server.get("/features/player_profile/p1", token).status,
        "view unknown": server.get("/features/no_such_view/p1", token).status,
    }


def test_two_consumers_never_see_each_others_features(online: Online, serve: Serve, fsync: Fsync) -> None:
    game, crm, trusted = fsync("create", "game"), fsync("create", "crm"), fsync("create", "crm", "--pii")
    server = serve("--access-log")
    seen = ask(server, game)
    assert {route for route, status in seen.items() if status == 200} == {
        "batch game",
        "service game",
        "feast game",
        "rows game",
        "view game",
    }
    assert {status for status in seen.values() if status != 200} == {403}
    crm_routes = {"batch crm", "batch bare crm", "feast crm", "rows crm", "view crm"}
    assert {route for route, status in ask(server, crm).items() if status == 200} == crm_routes
    assert {route for route, status in ask(server, trusted).items() if status == 200} == crm_routes | {
        "batch pii",
        "service crm",
        "feast service crm",
        "rows service crm",
    }
    assert set(server.get("/features/player_skill/p1", game).json["features"]) == {
        "player_skill:skill",
        "player_skill:tier",
    }
    assert set(server.get("/features/player_profile/p1", crm).json["features"]) == {"player_profile:country"}
    assert [s["name"] for s in server.get("/services", game).json["services"]] == ["game"]
    assert b"crm" not in server.get("/services", game).body
    for token in (None, "fsync_00000000_x", "x", game + "x", game[:-1]):
        assert set(ask(server, token).values()) == {401}
        assert server.get("/services", token).status == server.get("/metrics", token).status == 401
    assert re.search(
        r'fsync_refusals_total\{reason="not_allowed"\} [1-9]', server.get("/metrics", game).body.decode()
    )
    output = server.stop()
    assert '"refused":"unknown_token"' in output
    for secret in (game, crm, trusted):
        assert secret.split("_", 2)[2] not in output
        assert secret.encode() not in b"".join(online.client.hvals(f"fsync:{{{PROJECT}}}:tokens"))


def test_tokens_end(serve: Serve, fsync: Fsync) -> None:
    secret = fsync("create", "game", "--expires", "90d")
    identity = secret.split("_")[1]
    server = serve()
    assert server.get("/services", secret).status == 200
    other = fsync("rotate", identity)
    assert server.get("/ready").status == 200
    for token in (secret, other):
        assert server.get("/services", token).status == 200
    fsync("revoke", other.split("_")[1])
    fsync("revoke", identity)
    assert server.get("/ready").status == 200
    for token in (secret, other, None):
        # The last token's end opens nothing.
        assert server.get("/services", token).status == 401
    assert "revoked" in fsync("list")


def test_a_token_that_is_rotated_twice_ends_with_its_first_grace(online: Online) -> None:
    tokens = TokenStore(online.client, PROJECT)
    old, _ = tokens.create("game", 0, None, False)
    tokens.rotate(old.id, 10, 20, None)
    tokens.rotate(old.id, 11, 1000, None)
    assert tokens.get(old.id).revoked == 20


def test_a_token_is_rotated_also_while_its_service_is_not_in_redis(online: Online) -> None:
    tokens = TokenStore(online.client, PROJECT)
    old, _ = tokens.create("game", 0, None, True, rate=7)
    online.client.delete(layout.services_key(PROJECT))
    new, _ = tokens.rotate(old.id, 10, 20, None)
    assert (new.service, new.pii, new.rate) == ("game", True, 7)


def test_personal_data_needs_a_grant_also_where_no_token_does(serve: Serve) -> None:
    server = serve()
    assert "player_profile:email" not in server.get("/features/player_profile/p1").json["features"]
    asked = {"requests": [{"entityId": "p1", "featureNames": ["email"]}]}
    assert server.post("/batch-features", asked).status == 403
    assert serve("--pii").post("/batch-features", asked).status == 200


def test_a_token_has_a_rate(serve: Serve, fsync: Fsync) -> None:
    secret = fsync("create", "game", "--rate", "2")
    server = serve()
    assert 429 in [server.get("/services", secret).status for _ in range(6)]


def test_other_addresses_need_tokens_or_a_flag(redis_url: str) -> None:
    arguments = ["serve", "--host", "0.0.0.0", "--port", "0", "--project", PROJECT, "--redis-url", redis_url]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "--open" in result.stderr
