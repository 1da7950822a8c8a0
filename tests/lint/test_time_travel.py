"""A view built as of an instant of the past says what the full build says of it, or is caught."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from sync import FeatureStore
from sync.cli.app import app
from sync.errors import FsyncError
from sync.lint.time_travel import time_travel
from sync.project import Target, open_project, read_target

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shutil.copytree(Path(__file__).parent / "project", tmp_path / "shop")
    return tmp_path / "shop"


def travel(folder: Path, view: str, *arguments: str) -> Result:
    command = ["lint", "--project-dir", str(folder), "--time-travel", view, *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_a_view_that_does_not_leak(shop: Path) -> None:
    result = travel(shop, "spend", "--instants", "2")
    assert result.exit_code == 0, result.output
    *instants, verdict = result.stdout.splitlines()
    assert len(instants) == 2
    assert verdict == "the same then and now"
    # Nothing was built where the project builds.
    assert not (shop / "shop.duckdb").exists()
    assert not (shop / "target" / "manifest.json").exists()


def test_a_view_that_joins_the_rows_of_tomorrow(shop: Path) -> None:
    result = travel(shop, "next_spend", "--instants", "1", "--format", "json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    (instant,) = answer["compared"]
    day = int(instant[8:10])
    first = next(one for one in answer["differences"] if one["feature"] == "next_amount")
    assert first["event_timestamp"] == f"2026-05-0{day}T10:00:00Z"
    assert (first["then"], first["now"]) == ("0", str((day + 1) * 3))


def test_rows_that_are_final_are_not_rewritten(shop: Path) -> None:
    travelled = FeatureStore(shop).time_travel("late_spend", instants=3)
    # The order of the third that was loaded on the sixth, and the sums after it.
    assert travelled.differing == 2
    times = {one.event_timestamp for one in travelled.differences}
    assert times == {"2026-05-03T12:00:00Z", "2026-05-04T10:00:00Z"}


def test_a_source_in_the_warehouse(shop: Path) -> None:
    """Its table is only read, and cut by `loaded_at_field`: an aggregate over all history is caught."""
    with duckdb.connect(str(shop / "shop.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(f"create table raw.orders as from '{shop}/seeds/orders.csv'")
    (shop / "seeds" / "orders.csv").unlink()
    (shop / "seeds" / "_seeds.yml").unlink()
    (shop / "models" / "sources.yml").write_text(
        "sources:\n  - name: raw\n    tables:\n"
        "      - name: orders\n        config: {loaded_at_field: loaded_at}\n"
    )
    orders = shop / "models" / "staging" / "stg_orders.sql"
    orders.write_text("select * from {{ source('raw', 'orders') }}")
    before = (shop / "shop.duckdb").read_bytes()
    assert FeatureStore(shop).time_travel("spend_share", instants=1).differing > 0
    assert (shop / "shop.duckdb").read_bytes() == before


def test_our_player_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    travelled = FeatureStore(ROOT).time_travel("player_sessions", instants=1)
    assert travelled.differing == 0
    assert sum(travelled.compared.values()) > 100


def test_what_cannot_be_travelled(shop: Path) -> None:
    seeds = shop / "seeds" / "_seeds.yml"
    seeds.write_text(seeds.read_text().replace("meta: {created_timestamp: false}", "quote_columns: false"))
    (shop / "models/features/player/next_spend.sql").write_text("select nothing from {{ ref('stg_orders') }}")
    project = open_project(shop)
    target = read_target(project)

    def failure(target: Target, view: str) -> str:
        with pytest.raises(FsyncError) as raised:
            time_travel(project, target, view, 1, 0)
        return str(raised.value)

    assert "unknown feature view 'spent' (did you mean 'spend'?)" in failure(target, "spent")
    assert "does not say when its rows came to be known" in failure(target, "spend")
    assert "target cloud is of type bigquery" in failure(read_target(project, target="cloud"), "spend")
    broken = failure(target, "next_spend")
    assert broken.startswith("time travel could not build next_spend: ")
    assert "  " not in broken
