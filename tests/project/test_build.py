"""`dbt build` on the committed seed: clean, and its own tests able to fail."""

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.project.conftest import ROOT, Project

SOURCES = ["models", "macros", "seeds", "snapshots", "dbt_project.yml", "profiles.yml"]


def test_build_is_clean(built: tuple[Project, str]) -> None:
    _, output = built
    assert "WARN=0 ERROR=0 SKIP=0" in output
    assert "WARNING" not in output
    assert "Deprecat" not in output


@pytest.mark.parametrize(
    ("view", "leak"),
    [
        ("player_sessions", "event_timestamp = event_timestamp - interval 1 day"),
        ("player_monetization", "ads_watched_last_7d = ads_watched_last_7d + 1"),
    ],
)
def test_no_future_leakage_catches_a_leak(
    built: tuple[Project, str], tmp_path: Path, view: str, leak: str
) -> None:
    whole, _ = built
    leaking = Project(ROOT, tmp_path)
    shutil.copy(whole.warehouse, leaking.warehouse)
    with duckdb.connect(str(leaking.warehouse)) as connection:
        connection.sql(f"update {view} set {leak}")
    output = leaking.dbt("test", "--select", f"no_future_leakage_{view}", fails=True)
    assert f"Failure in test no_future_leakage_{view}" in output


def test_a_changed_computation_is_a_row_in_the_registrys_history(
    built: tuple[Project, str], tmp_path: Path
) -> None:
    whole, _ = built
    copy = tmp_path / "project"
    copy.mkdir()
    for name in SOURCES:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    project = Project(copy, tmp_path)
    shutil.copy(whole.warehouse, project.warehouse)

    model = copy / "models/features/player/player_social.sql"
    model.write_text(model.read_text().replace("2 * gifts_sent_last_30d", "4 * gifts_sent_last_30d"))
    project.dbt("build", "--select", "feature_registry+")
    assert replaced(project) == {"player_social"}

    macro = copy / "macros/windows/trailing_windows.sql"
    macro.write_text(macro.read_text().replace("union all", "UNION ALL"))
    project.dbt("build", "--select", "feature_registry+")
    assert {"player_sessions", "player_engagement", "player_mode"} <= replaced(project)
    assert "player_profile" not in replaced(project)


def replaced(project: Project) -> set[str]:
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        rows = connection.sql(
            "select distinct feature_view from feature_registry_history where dbt_valid_to is not null"
        ).fetchall()
    return {view for (view,) in rows}
