"""The repository's own dbt project, built into throwaway warehouses."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sync import FeatureStore
from tests.conftest import made_once

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """A dbt project and the folder that its warehouse and target path lie in."""

    root: Path
    folder: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "fsync.duckdb"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FSYNC_DUCKDB_PATH": str(self.warehouse),
            "FSYNC_RAW_EVENTS": "seed",
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def dbt(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        """What dbt printed; fails the test when it did not end as expected."""
        result = subprocess.run(
            [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments],
            cwd=self.root,
            env=os.environ | self.environment | environment,
            capture_output=True,
            text=True,
        )
        assert (result.returncode != 0) == fails, result.stdout + result.stderr
        return result.stdout

    def run_until(self, selection: list[str], cuts: list[str]) -> None:
        """Runs the models once for each cut, all events known until then, and once in whole for the last.

        The warehouse after each run is kept as `0.duckdb`, `1.duckdb`, … in the folder.
        """
        arguments = json.dumps({"selection": selection, "cuts": cuts, "folder": str(self.folder)})
        result = subprocess.run(
            [sys.executable, Path(__file__).with_name("run_until.py"), arguments],
            cwd=self.root,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """The whole project built from the seed, with all of dbt's own tests, and what that printed."""

    def build(folder: Path) -> None:
        folder.mkdir()
        (folder / "printed").write_text(Project(ROOT, folder).dbt("build"))

    folder = made_once(tmp_path_factory, "built", build)
    return Project(ROOT, folder), (folder / "printed").read_text()


@pytest.fixture
def store(built: tuple[Project, str], redis_url: str, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    project, _ = built
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return FeatureStore(ROOT, redis_url=redis_url)
