"""Every model as BigQuery gets it: nothing that BigQuery lacks, and the rows of the DuckDB build.

dbt compiles without credentials, sqlglot turns each query into DuckDB's dialect, which runs over the
tables of the DuckDB build. What only a real BigQuery refuses is not seen here.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sync import FeatureStore
from sync.lineage.report import overview
from sync.project import open_project, read_target
from sync.registry.rendered import ModelRenderer
from tests.project.conftest import ROOT, Project
from tests.properties import googlesql

MODELS = sorted(path.stem for path in (ROOT / "models").rglob("*.sql") if path.stem != "feature_registry")


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The project's, compiled for BigQuery."""
    project = Project(ROOT, tmp_path_factory.mktemp("bigquery"))
    offline = ["--no-populate-cache", "--no-introspect", "--select", "resource_type:model"]
    project.dbt(
        "compile",
        "--target",
        "bigquery",
        *offline,
        FSYNC_BIGQUERY_METHOD="oauth-secrets",
        FSYNC_BIGQUERY_TOKEN="none",
    )
    manifest: dict[str, Any] = json.loads((project.folder / "target" / "manifest.json").read_text())
    return manifest


@pytest.fixture(scope="session")
def compiled(manifest: dict[str, Any]) -> dict[str, str]:
    """The SQL of each model for BigQuery, by table."""
    return {
        node["alias"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }


@pytest.fixture(scope="module")
def warehouse(built: tuple[Project, str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(built[0].warehouse), read_only=True)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def test_fsync_renders_what_dbt_compiles(manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSYNC_RAW_EVENTS", "seed")
    project = open_project(ROOT)
    renderer = ModelRenderer(manifest, project, read_target(project, target="bigquery"))
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(models) == len(MODELS) + 1
    for node in models:
        assert str(renderer.sql(node)).strip() == node["compiled_code"].strip(), node["name"]


def test_columns_are_made_of_the_same_columns(
    manifest: dict[str, Any], built: tuple[Project, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in built[0].environment.items():
        monkeypatch.setenv(name, value)
    on_duckdb = FeatureStore(ROOT).lineage()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    on_bigquery = FeatureStore(ROOT, target="bigquery").lineage()
    # They carry the spine's row as a struct, whose fields sqlglot does not know.
    assert {on_bigquery.relation_name(name) for name in on_bigquery.unread} == {
        "churn_training_set",
        "match_training_set",
    }
    found = [overview(lineage, lineage.select(None)) for lineage in (on_bigquery, on_duckdb)]
    assert found[0] == found[1]


def test_every_model_is_compiled(compiled: dict[str, str]) -> None:
    assert sorted(compiled) == sorted([*MODELS, "feature_registry"])


@pytest.mark.parametrize("model", [*MODELS, "feature_registry"])
def test_bigquery_has_all_of_it(model: str, compiled: dict[str, str]) -> None:
    assert googlesql.violations(compiled[model]) == []


# The registry's hashes cover the declared types, and a 64-bit float has another name there.
@pytest.mark.parametrize("model", MODELS)
def test_the_same_rows_as_the_duckdb_build(
    model: str, compiled: dict[str, str], warehouse: duckdb.DuckDBPyConnection
) -> None:
    columns = warehouse.table(model).columns
    timestamps = {
        name
        for name, kind in zip(columns, warehouse.table(model).types, strict=True)
        if str(kind) == "TIMESTAMP"
    }
    # BigQuery's timestamps have a zone, UTC in both.
    naive = ", ".join(f"{name}::timestamp as {name}" if name in timestamps else name for name in columns)
    found = warehouse.sql(f"select {naive} from ({googlesql.as_duckdb(compiled[model])})")
    assert found.types == warehouse.table(model).types

    def counted(rows: list[tuple[object, ...]]) -> Counter[str]:
        return Counter(map(repr, rows))

    assert counted(found.fetchall()) == counted(warehouse.table(model).fetchall())


def test_layout_and_strategy(manifest: dict[str, Any]) -> None:
    """Events and tiles by day, views by month, clustered by key; dbt-bigquery has no append but a merge."""
    models = {node["alias"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    incremental = {k: v for k, v in models.items() if v["config"]["materialized"] == "incremental"}
    assert {node["config"]["incremental_strategy"] for node in incremental.values()} == {"merge"}
    for name, node in incremental.items():
        partition, cluster = node["config"]["partition_by"], node["config"]["cluster_by"]
        if "feature" in node["tags"]:
            assert partition == {"field": "event_timestamp", "data_type": "timestamp", "granularity": "month"}
            keys = [column for column in node["columns"] if column in ("player_id", "game_mode")]
            assert cluster == keys, name
        elif name == "int_player_profiles":
            assert partition is None
        else:
            field = "event_day" if name == "stg_events" else "available_at"
            assert partition == {"field": field, "data_type": "timestamp", "granularity": "day"}, name
            assert cluster[0] == "player_id"
