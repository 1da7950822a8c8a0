"""The repository's own dbt project, built into throwaway warehouses."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DBT = Path(sys.executable).with_name("dbt")


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs dbt on the project: ``dbt(warehouse, "build", ..., **environment)``; returns what it printed."""
    target = tmp_path_factory.mktemp("target")

    def run(warehouse: Path, *arguments: str, **environment: str) -> str:
        result = subprocess.run(
            [DBT, "--no-use-colors", *arguments],
            cwd=ROOT,
            env=os.environ
            | {
                "FSYNC_DUCKDB_PATH": str(warehouse),
                "FSYNC_RAW_EVENTS": "seed",
                "DBT_TARGET_PATH": str(target),
                "DBT_LOG_PATH": str(target),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            }
            | environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run
