"""What macros came to is kept as long as the manifest is the same, and never longer."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from sync.registry import calls as calls_module
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


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"made_with": "\xff"}'])
def test_damaged_files_only_cost_time(arcade: Arcade, damaged: bytes) -> None:
    first = training_set(arcade)
    for file in (kept(arcade), kept(arcade).with_name("current.json")):
        whole = file.read_bytes()
        file.write_bytes(damaged)
        assert training_set(arcade) == first
        assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_only_costs_time(arcade: Arcade) -> None:
    first = training_set(arcade)
    shutil.rmtree(kept(arcade).parent)
    kept(arcade).parent.write_text("")
    assert training_set(arcade) == first


@pytest.mark.parametrize("changed", ["fsync", "jinja2"])
def test_nothing_is_kept_of_another_program(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    calls(arcade).text("fsync", "micros", "t")
    monkeypatch.setattr("sync.registry.calls.version", lambda of: version(of) + "x" * (of == changed))
    monkeypatch.setattr(macros, "MacroCompiler", None)
    with pytest.raises(TypeError):
        calls(arcade).text("fsync", "micros", "t")


def test_nothing_is_kept_of_another_compiler(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls(arcade).text("fsync", "micros", "t")
    edited = tmp_path / "macros.py"
    edited.write_text(f"{calls_module.COMPILER.read_text()}\n# Edited.\n")
    monkeypatch.setattr(calls_module, "COMPILER", edited)
    monkeypatch.setattr(macros, "MacroCompiler", None)
    with pytest.raises(TypeError):
        calls(arcade).text("fsync", "micros", "t")


def test_writers_at_once_leave_a_whole_file(arcade: Arcade) -> None:
    one, other = calls(arcade), calls(arcade)
    one.text("fsync", "_view_prefix", "a@1")
    other.text("fsync", "_view_prefix", "b@1")
    assert list(json.loads(kept(arcade).read_text())["texts"].values()) == ["b_v1"]
    assert [file.name for file in kept(arcade).parent.glob("*macros*")] == ["macros.json"]


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
