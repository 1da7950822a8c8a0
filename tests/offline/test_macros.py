"""The macro compiled from the manifest is, to the letter, what dbt compiles."""

import json
from pathlib import Path

import pytest

from sync.errors import FsyncError
from sync.registry.macros import MacroCompiler
from tests.offline.conftest import BETWEEN, CALLS


@pytest.mark.parametrize("adapter", ["duckdb", "bigquery"])
def test_compiles_what_dbt_compiles(built: Path, adapter: str) -> None:
    folder = built / "compiled" / adapter
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["metadata"]["adapter_type"] == adapter
    compiler = MacroCompiler(manifest, adapter)
    ours = [
        compiler.call("fsync", "point_in_time_join", "a_spine", features, **options)
        for features, options in CALLS
    ]
    assert ours == [text.strip() for text in (folder / "inline.sql").read_text().split(BETWEEN)]


@pytest.mark.parametrize(
    ("macro", "arguments", "message"),
    [
        ("nothing", [], "the project has no macro fsync.nothing; add the package fsync to packages.yml"),
        ("point_in_time_join", ["s", []], "`features` is a list of 'view:feature', got []"),
        ("point_in_time_join", ["s", ["player_day:scores"]], "has no feature 'scores'; it has score"),
        ("point_in_time_join", ["s", ["player_dya:score"]], "there is no model player_dya"),
        (
            "point_in_time_join",
            ["s", ["player_activity@7:sessions"]],
            "no model player_activity of version 7",
        ),
        (
            "point_in_time_join",
            ["s", ["player_day:score", "player_day:score"]],
            "would both be the column 'score'",
        ),
        (
            "point_in_time_join",
            ["s", ["player_day:score"], "t", True, False, "soon"],
            "`known_until` is an instant",
        ),
        ("duration_seconds", [1, 2, 3], "cannot compile the macro fsync.duration_seconds"),
    ],
)
def test_a_macro_that_fails_is_one_error(
    built: Path, macro: str, arguments: list[object], message: str
) -> None:
    manifest = json.loads((built / "target" / "manifest.json").read_text())
    with pytest.raises(FsyncError) as caught:
        MacroCompiler(manifest, "duckdb").call("fsync", macro, *arguments)
    assert message in str(caught.value)


def test_the_projects_own_macro_comes_before_the_packages(built: Path) -> None:
    manifest = json.loads((built / "target" / "manifest.json").read_text())
    manifest["macros"]["macro.arcade.default__micros"] = {
        "package_name": "arcade",
        "name": "default__micros",
        "macro_sql": "{% macro default__micros(timestamp) %}own({{ timestamp }}){% endmacro %}",
    }
    sql = MacroCompiler(manifest, "duckdb").call("fsync", "point_in_time_join", "s", ["player_day:score"])
    assert "own(event_timestamp)" in sql
    assert "epoch_us" not in sql
