"""What macros came to is kept as long as the manifest is the same, and never longer."""

import json
from pathlib import Path

import pytest

from sync.registry import macros
from sync.registry.calls import MOST, MacroCalls
from sync.registry.manifest import ManifestFile
from tests.conftest import Arcade

FEATURES = ["player_day:score", "player_activity:sessions"]


def training_set(arcade: Arcade, **options: bool) -> tuple[object, object]:
    spine = "select 'p1' as player_id, timestamp '2024-03-08' as event_timestamp"
    made = arcade.store().get_historical_features(spine, FEATURES, **options)
    return made.to_arrow().to_pylist(), made.metadata


def calls(arcade: Arcade) -> MacroCalls:
    return MacroCalls(ManifestFile(arcade.path / "target" / "manifest.json"), "duckdb")


def kept(arcade: Arcade) -> Path:
    return arcade.path / "target" / "fsync" / "macros.json"


def test_the_second_training_set_compiles_nothing(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> None:
    first = training_set(arcade)
    with monkeypatch.context() as without:
        without.setattr(macros, "MacroCompiler", None)
        assert training_set(arcade) == first
        with pytest.raises(TypeError):
            training_set(arcade, hindsight=True)
    kept(arcade).write_text("{")
    assert training_set(arcade) == first


def test_nothing_is_kept_of_another_manifest(arcade: Arcade) -> None:
    before = calls(arcade).text("fsync", "micros", "t")
    with arcade.manifest() as manifest:
        manifest["macros"]["macro.arcade.default__micros"] = {
            "package_name": "arcade",
            "name": "default__micros",
            "macro_sql": "{% macro default__micros(timestamp) %}own({{ timestamp }}){% endmacro %}",
        }
    assert (before, calls(arcade).text("fsync", "micros", "t")) == ("epoch_us(t)", "own(t)")


def test_calls_differ_by_all_that_is_given(arcade: Arcade) -> None:
    made = calls(arcade)
    texts = [
        made.text("fsync", "_view_prefix", "a@1"),
        made.text("fsync", "_view_prefix", "a@2"),
        made.digest("fsync", "_view_prefix", "a@2"),
        made.text("fsync", "micros", "a@2"),
        made.text("fsync", "micros", timestamp="b"),
    ]
    assert texts[:2] == ["a_v1", "a_v2"]
    assert len(set(texts)) == 5


def test_the_oldest_go_first(arcade: Arcade) -> None:
    made = calls(arcade)
    for number in range(MOST + 2):
        made.text("fsync", "_view_prefix", f"v@{number}")
    texts = json.loads(kept(arcade).read_text())["texts"]
    assert list(texts.values()) == [f"v_v{number}" for number in range(2, MOST + 2)]
