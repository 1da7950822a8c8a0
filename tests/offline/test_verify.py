"""`fsync verify` finds what is wrong, and nothing else; `status` says how fresh a view is."""

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from sync.verify import Verification
from tests.conftest import Arcade

AS_OF = "2024-03-08"
VIEW = "player_activity@2"
ROWS = "fsync:{arcade/player_activity@2}:rows"


@pytest.fixture
def arcade(arcade: Arcade, redis_url: str) -> Iterator[Arcade]:
    """With the macros of the package, which `verify` joins with, and its views online."""
    online = Arcade(arcade.path, redis_url)
    online.store().sync(as_of=AS_OF)
    yield online
    online.client.close()


def verified(arcade: Arcade, view: str = VIEW, sample: int | None = None) -> Verification:
    (found,) = arcade.store().verify([view], sample=sample)
    return found


@pytest.mark.parametrize("sample", [None, 1, 1000])
def test_every_view_matches_after_a_sync(arcade: Arcade, sample: int | None) -> None:
    found = arcade.store().verify(sample=sample)
    assert len(found) == 6
    for one in found:
        assert one.holds, one
        assert one.matched == one.rows >= 1
        assert one.examples == []


@pytest.mark.parametrize("sample", [None, 1000])
def test_what_is_wrong_is_told_by_feature_with_examples(arcade: Arcade, sample: int | None) -> None:
    row = arcade.client.hget(ROWS, "p1")
    arcade.client.hset(ROWS, "p1", row.replace(b"[6,", b"[7,"))
    arcade.client.hset(ROWS, "stranger", row)
    arcade.client.hdel(ROWS, "p2")
    found = verified(arcade, sample=sample)
    assert (found.missing, found.extra, found.mismatches) == (1, 1, {"sessions": 1})
    assert ("p1", "sessions", "7", "6") in found.examples
    assert {example.key for example in found.examples} == {"p1", "p2", "stranger"}


def test_a_row_of_another_instant_is_told_though_its_values_match(arcade: Arcade) -> None:
    row = arcade.client.hget(ROWS, "p1")
    arcade.client.hset(ROWS, "p1", f"{int(row[:16]) - 60_000_000:016}".encode() + row[16:])
    assert verified(arcade).mismatches == {"event_timestamp": 1}


def test_a_null_is_not_a_zero(arcade: Arcade) -> None:
    row = arcade.client.hget(ROWS, "p2")
    arcade.client.hset(ROWS, "p2", row.replace(b"null", b"0"))
    assert verified(arcade).mismatches == {"play_minutes": 1}


def test_after_a_push_the_rest_is_judged(arcade: Arcade) -> None:
    row = {"player_id": "p1", "event_timestamp": datetime(2024, 3, 8), "sessions": 9, "play_minutes": 1.0}
    arcade.store().push(VIEW, [row])
    found = verified(arcade)
    assert (found.holds, found.ahead, found.matched) == (True, 1, 1)


def test_a_sync_of_another_definition_cannot_be_compared(arcade: Arcade) -> None:
    with arcade.node("player_activity.v2") as node:
        node["checksum"]["checksum"] = "another"
    result = arcade.fsync("verify", "--select", VIEW)
    assert result.exit_code == 2
    assert "is defined otherwise in Redis than in the project; run `fsync online`" in result.stderr


def test_verify_says_what_it_found(arcade: Arcade) -> None:
    result = arcade.fsync("verify", "--select", VIEW)
    assert (result.exit_code, result.stdout) == (0, f"{VIEW}: 2 of 2 match as of 2024-03-08T00:00:00Z\n")
    arcade.client.hset(ROWS, "p1", arcade.client.hget(ROWS, "p1").replace(b"[6,", b"[7,"))
    wrong = arcade.fsync("verify", "--select", VIEW, "--all")
    assert wrong.exit_code == 1
    assert wrong.stdout == (
        f"{VIEW}: 1 of 2 match as of 2024-03-08T00:00:00Z, 1 differ in sessions\n"
        "  p1: sessions: 7 in Redis, 6 expected\n"
    )
    (view,) = json.loads(arcade.fsync("verify", "--select", VIEW, "--json").stdout)["views"]
    assert (view["holds"], view["mismatches"]) == (False, {"sessions": 1})


def test_status_fails_past_the_sla(arcade: Arcade) -> None:
    result = arcade.fsync("status", "--json")
    assert result.exit_code == 0
    views = {view["view"]: view for view in json.loads(result.stdout)["views"]}
    assert views[VIEW]["online"] == 2
    assert views[VIEW]["sla"] is None
    with arcade.node("player_activity.v2") as node:
        node["config"]["meta"]["sla"] = "1d"
    late = arcade.fsync("status", "--online-only")
    assert late.exit_code == 1
    assert "past its sla" in late.stdout
    assert arcade.fsync("status", "--select", "player_day").exit_code == 0


def test_status_of_what_is_not_there(arcade: Arcade) -> None:
    arcade.client.flushall()
    result = arcade.fsync("status", "--select", VIEW)
    assert result.exit_code == 1
    assert "not in Redis" in result.stdout


def test_lines_of_json_tell_of_each_view(arcade: Arcade) -> None:
    result = arcade.fsync("online", "--as-of", "2024-03-09", "--log-format", "json")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["started", "synced"] * 6
    assert all(line["level"] == "info" for line in lines)


def test_wait_says_who_holds_the_lock_when_it_ends(arcade: Arcade) -> None:
    arcade.client.set("fsync:{arcade/player_day}:lock", "host-a:4711:token")
    error = arcade.fails("online", "-s", "player_day", "--as-of", "2024-03-09", "--wait", "1s")
    assert "is being synced by process 4711 on host-a" in error


def test_the_wait_ends_when_the_lock_does(arcade: Arcade) -> None:
    arcade.client.set("fsync:{arcade/player_day}:lock", "host-a:4711:token", px=500)
    assert arcade.fsync("online", "-s", "player_day", "--as-of", "2024-03-09", "--wait", "20s").exit_code == 0
