"""What the project has no more goes when it is told to, and nothing else does."""

import json

from tests.conftest import Arcade


def forget(arcade: Arcade, view: str) -> None:
    with arcade.manifest() as manifest:
        del manifest["nodes"][f"model.arcade.{view}"]
        manifest["exposures"] = {}


def test_views_of_the_past_are_removed_on_demand(arcade: Arcade) -> None:
    other = "fsync:{arcade_two/player_day}:meta"
    arcade.client.hset(other, "layout", "1")
    arcade.store().sync(as_of="2024-03-08")
    before = arcade.dump()
    assert arcade.store().prune() == []
    forget(arcade, "player_day")
    forget(arcade, "player_activity.v1")
    with arcade.node("odd_names") as node:
        node["config"]["meta"]["online"] = False

    gone = ["odd_names", "player_activity@1", "player_day"]
    result = arcade.fsync("online", "--as-of", "2024-03-08", "--prune", "--dry-run", "--json")
    assert json.loads(result.stdout)["pruned"] == gone
    assert arcade.dump().keys() == before.keys()

    result = arcade.fsync("online", "--as-of", "2024-03-08", "--prune")
    assert "player_day: removed, no view of the project" in result.stdout
    left = arcade.dump()
    assert not [key for key in left for view in gone if f"arcade/{view}}}".encode() in key]
    assert other.encode() in left
    names = left[b"fsync:{arcade}:views"]
    assert b"player_day" not in names
    assert names[b"player_activity"] == b"2"
    assert left[b"fsync:{arcade/player_activity@2}:rows"] == before[b"fsync:{arcade/player_activity@2}:rows"]
    assert arcade.store().prune() == []


def test_all_shards_of_a_view_are_removed(arcade: Arcade) -> None:
    with arcade.node("player_mode_skill") as node:
        node["config"]["meta"]["shards"] = 4
    arcade.store().sync(["player_mode_skill"], as_of="2024-03-08")
    assert [key for key in arcade.dump() if b"player_mode_skill#" in key]
    forget(arcade, "player_mode_skill")
    assert arcade.store().prune() == ["player_mode_skill"]
    assert not [key for key in arcade.dump() if b"player_mode_skill" in key]
