"""The macros, compiled by dbt for both warehouses once, to run over many sets of rows in DuckDB."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from sync.registry.macros import MacroCompiler
from sync.registry.manifest import ManifestFile
from tests.conftest import made_once
from tests.properties import googlesql

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

COMPILE = """
import sys
from dbt.cli.main import dbtRunner

for target in ("duckdb", "bigquery"):
    options = ["--target", target, "--target-path", target, "--no-populate-cache", "--no-introspect"]
    ended = dbtRunner().invoke(["--quiet", "--no-use-colors", "compile", *options])
    if not ended.success:
        sys.exit(str(ended.exception or [result.message for result in ended.result]))
"""


@dataclass(frozen=True)
class Shapes:
    """Compiled models of the project beside this file, by name."""

    duckdb: dict[str, str]
    bigquery: dict[str, str]
    macros: MacroCompiler

    def of(self, name: str) -> dict[str, str]:
        return {"duckdb": self.duckdb[name], "bigquery": googlesql.as_duckdb(self.bigquery[name])}


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    directory = made_once(tmp_path_factory, "shapes", _compile)
    macros = MacroCompiler(ManifestFile(directory / "duckdb" / "manifest.json").tree, "duckdb")
    return Shapes(_compiled(directory / "duckdb"), _compiled(directory / "bigquery"), macros)


def _compile(directory: Path) -> None:
    shutil.copytree(HERE / "project", directory)
    package = directory / "dbt_packages" / "fsync"
    shutil.copytree(ROOT / "macros", package / "macros")
    (package / "dbt_project.yml").write_text("name: fsync\nversion: 0.1.0\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DBT_", "PYTHONWARNINGS"))}
    run = subprocess.run(
        [sys.executable, "-c", COMPILE], cwd=directory, env=kept, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def _compiled(target: Path) -> dict[str, str]:
    manifest = json.loads((target / "manifest.json").read_text())
    return {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set threads = 1")
    return connection
