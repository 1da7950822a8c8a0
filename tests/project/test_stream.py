"""Our own running sessions, streamed event by event, are those that dbt builds from the whole export."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from sync import FeatureStore
from sync.instants import DAY, parse_instant
from sync.stream.log import Batch
from sync.stream.models import live_view
from sync.warehouse.latest import Latest
from sync.warehouse.open import open_warehouse
from tests.project.conftest import ROOT, Project

GENERATE = "--events 4000 --players 150 --days 3 --start 2026-05-01"
LAST = parse_instant("2026-05-04")


def test_running_sessions_are_those_of_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = tmp_path / "events"
    generate = [sys.executable, ROOT / "scripts" / "generate_events.py", *GENERATE.split(), "--out", events]
    subprocess.run(generate, check=True, capture_output=True)
    monkeypatch.setenv("FSYNC_EVENTS_PATH", f"{events}/*.parquet")
    project = Project(ROOT, tmp_path)
    project.dbt("run", "--select", "+player_realtime", FSYNC_RAW_EVENTS="export")
    for name, value in (project.environment | {"FSYNC_RAW_EVENTS": "export"}).items():
        monkeypatch.setenv(name, value)
    store = FeatureStore(ROOT)
    view = store.registry.views["player_realtime"]
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select epoch_us(make_timestamp(event_timestamp)), cast(to_json(e) as varchar) "
            f"from read_parquet('{events}/*.parquet') as e order by hash(event_timestamp)"
        ).fetchall()
    assert len(rows) > 2000

    compared = 0
    with (
        live_view(store.project, store.target, view, None) as live,
        open_warehouse(store.project, store.target) as warehouse,
    ):
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            added = live.add(Batch([text.encode() for _, text in part], [arrived for arrived, _ in part]))
            assert (added.events, added.refused) == (len(part), 0)
        for as_of in range(LAST - 3 * DAY, LAST, DAY // 6):
            streamed = {
                row["player_id"]: tuple(row[feature.name] for feature in view.features)
                for row in live.changed(as_of).to_pylist()
            }
            latest = Latest(view, warehouse, as_of).rows()
            with warehouse.arrow(latest) as batches:
                table = batches.read_all().to_pylist()
            built = {row["k0"]: tuple(row[f"f{n}"] for n in range(len(view.features))) for row in table}
            assert streamed == built
            compared += len(built)
    assert compared > 50
