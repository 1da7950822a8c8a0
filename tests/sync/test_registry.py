import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync import FsyncError
from sync.registry.durations import format_duration, parse_duration
from sync.registry.references import parse_feature, parse_view
from sync.registry.types import scalar_type
from tests.conftest import Arcade


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("6h", 21600), ("30d", 2592000)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text, where="ttl") == seconds * 1_000_000
    assert format_duration(seconds * 1_000_000) == text


@pytest.mark.parametrize("value", ["", "30", "d", "1w", "0d", "-1d", "1.5h", " 1d", "1D", 30, None, True])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(FsyncError, match="write a duration such as"):
        parse_duration(value, where="ttl")


@pytest.mark.parametrize(
    ("data_type", "scalar"),
    [
        ("BIGINT", "integer"),
        ("INT64", "integer"),
        ("decimal(18, 2)", "decimal"),
        ("NUMERIC", "decimal"),
        ("double precision", "float"),
        ("character varying(10)", "string"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("timestamp(6) with time zone", "timestamp"),
        ("DATETIME", "timestamp"),
        ("integer[]", None),
        ("varchar(3)[2]", None),
        ("STRUCT(a INTEGER)", None),
        ("ARRAY<INT64>", None),
        ("time", None),
        ("interval", None),
        ("blob", None),
        ("json", None),
        ("", None),
    ],
)
def test_scalar_types(data_type: str, scalar: str | None) -> None:
    assert scalar_type(data_type) == scalar


def test_references() -> None:
    assert parse_view("v@2") == ("v", "2")
    assert str(parse_feature("v@2:f")) == "v@2:f"
    for wrong in ("", "a b", "v@", "@2", "v:f"):
        with pytest.raises(FsyncError):
            parse_view(wrong)
    for wrong in ("v", "v:", ":f", "v:*", "v@:f"):
        with pytest.raises(FsyncError):
            parse_feature(wrong)


def test_the_views_of_the_project(arcade: Arcade) -> None:
    views = {view.reference: view for view in arcade.store().views()}
    assert list(views) == [
        "every_type",
        "odd_names",
        "offline_only",
        "player_activity@1",
        "player_activity@2",
        "player_day",
        "player_mode_skill",
    ]
    activity = views["player_activity@2"]
    assert (activity.latest, views["player_activity@1"].latest) == (True, False)
    assert views["player_activity@1"].deprecation_date.startswith("2027-01-01")
    assert [(f.name, f.type, f.default) for f in activity.features] == [
        ("sessions", "integer", 0),
        ("play_minutes", "float", None),
    ]
    assert [key.name for key in views["player_mode_skill"].join_keys] == ["player_id", "game_mode"]
    assert not views["offline_only"].online
    assert views["every_type"].ttl is None
    assert "internal_note" not in {feature.name for feature in views["every_type"].features}
    assert [service.name for service in arcade.store().services()] == ["churn_model"]


def config(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda node: node["config"].update({key: value})


def meta(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda node: node["config"]["meta"].update(values)


def column(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda node: node["columns"][name].update(values)


def column_meta(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda node: node["columns"][name]["config"]["meta"].update(values)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (config("meta", {}), "without an entity"),
        (config("event_time", None), "without an event time"),
        (config("contract", {"enforced": False}), "without a contract"),
        (config("event_time", "evnt"), "config.event_time evnt is not a column"),
        (config("event_time", "score"), "event_time score is integer; it must be a timestamp or a date"),
        (lambda node: node.update(relation_name=None), "a feature view needs a table or view"),
        (lambda node: node.update(columns={}), "lists no columns"),
        (meta(tll="3d"), r"unknown meta key 'tll' \(did you mean 'ttl'\?\)"),
        (meta(ttl="3 days"), "ttl is '3 days'; write a duration"),
        (meta(entity=7), "meta.entity is 7; give a name"),
        (meta(entity=["player", "player"]), "a name stands twice"),
        (
            meta(join_key="plyer_id"),
            r"join key plyer_id is not a column of the model \(did you mean 'player_id'\?\)",
        ),
        (meta(created_timestamp="made"), "meta.created_timestamp made is not a column"),
        (meta(online="yes"), "meta.online is 'yes'; write true or false"),
        (meta(drift="some"), "meta.drift is 'some'; give the largest population stability index"),
        (meta(drift=True), "meta.drift is True; give the largest"),
        (column_meta("score", drift=0), "column score: meta.drift is 0; give the largest"),
        (column("score", data_type="integer[]"), "type integer.. cannot be served online"),
        (column("score", data_type=None), "column score has no data_type"),
        (column("player_id", data_type="struct(a int)"), "a key must be a scalar"),
        (column_meta("score", defualt=1), r"unknown meta key 'defualt' \(did you mean 'default'\?\)"),
        (column_meta("score", default="none"), "default 'none' does not suit type integer"),
        (column_meta("score", feature=False), "has no feature"),
        (column_meta("score", pii=1), "meta.pii is 1"),
    ],
)
def test_a_mistake_in_yaml_stops_the_tool_with_the_models_name(
    arcade: Arcade, spoil: Callable[[dict[str, Any]], None], message: str
) -> None:
    with arcade.node("player_day") as node:
        spoil(node)
    error = arcade.fails("online")
    assert "model player_day (models/features/player/player_day.sql)" in error
    assert re.search(message, error), error
    assert arcade.client.keys() == []


def test_a_model_outside_features_is_a_view_by_its_tag(arcade: Arcade) -> None:
    with arcade.node("player_day") as node:
        node["original_file_path"] = "models/marts/player_day.sql"
        node["config"]["meta"] = {}
    assert "without an entity" in arcade.fails("online")
    with arcade.node("player_day") as node:
        node["tags"] = []
    assert "player_day" not in {view.name for view in arcade.store().views()}


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ([], "meta.features is []; give a list"),
        ("player_day:score", "give a list of view:feature"),
        (["player_day"], "'player_day' is not a feature reference"),
        ([3], "3 is not a feature reference"),
        (["player_dya:score"], "unknown feature view 'player_dya' (did you mean 'player_day'?)"),
        (["player_day:scor"], "has no feature 'scor' (did you mean 'score'?)"),
        (["player_activity@3:sessions"], "has no version 3 (it has 1, 2)"),
        (["player_day@1:score"], "has no version 1 (it is not versioned)"),
        (["player_day:score", "player_day:score"], "names player_day:score twice"),
    ],
)
def test_a_mistake_in_a_service(arcade: Arcade, references: Any, message: str) -> None:
    with arcade.manifest() as manifest:
        manifest["exposures"]["exposure.arcade.churn_model"]["config"]["meta"]["features"] = references
    error = arcade.fails("online")
    assert "exposure churn_model (models/exposures.yml)" in error
    assert message in error


def test_no_manifest(arcade: Arcade) -> None:
    (arcade.path / "target" / "manifest.json").unlink()
    assert "run `dbt build` (or `dbt parse`)" in arcade.fails("online")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"metadata": {}, "nodes": []}', b'{"metadata": {"project_name": "\xff"}}'],
)
def test_a_damaged_manifest(arcade: Arcade, content: bytes) -> None:
    (arcade.path / "target" / "manifest.json").write_bytes(content)
    assert "is not a manifest that fsync can read" in arcade.fails("online")


def touch(path: Path) -> None:
    later = time.time() + 10
    os.utime(path, (later, later))


def test_a_model_that_changed_after_the_manifest_is_stale(arcade: Arcade) -> None:
    model = arcade.path / "models/features/player/player_day.sql"
    touch(model)
    assert arcade.fsync("online", "--dry-run").exit_code == 0
    model.write_text(model.read_text() + "where true\n")
    touch(model)
    assert "models/features/player/player_day.sql changed after the manifest" in arcade.fails("online")
    assert "run `dbt parse`" in arcade.fsync("views").stderr


@pytest.mark.parametrize(
    "name", ["dbt_project.yml", "models/features/player/player_day.yml", "models/exposures.yml"]
)
def test_yaml_that_changed_after_the_manifest_is_stale(arcade: Arcade, name: str) -> None:
    touch(arcade.path / name)
    assert f"{name} changed after the manifest" in arcade.fails("online")


def test_a_model_that_is_gone_is_stale(arcade: Arcade) -> None:
    (arcade.path / "models/features/player/player_day.sql").unlink()
    assert "player_day.sql changed" in arcade.fails("online")
