"""The macros as dbt compiles them for DuckDB, over tables that a benchmark makes itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sync.registry.macros import MacroCompiler
from sync.registry.manifest import ManifestFile

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def compile_project(scratch: Path) -> tuple[MacroCompiler, dict[str, str]]:
    """The compiler of macros, and each model's SQL by name; tables are called by their bare names."""
    project = scratch / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(HERE / "project", project)
    package = project / "dbt_packages" / "fsync"
    shutil.copytree(ROOT / "macros", package / "macros")
    (package / "dbt_project.yml").write_text("name: fsync\nversion: 0.1.0\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    dbt = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--quiet", "compile"]
    subprocess.run(dbt, cwd=project, env=kept, check=True)
    manifest = ManifestFile(project / "target" / "manifest.json").tree
    for node in manifest["nodes"].values():
        node["relation_name"] = node["name"]
    models = {node["name"]: node["compiled_code"] for node in manifest["nodes"].values()}
    return MacroCompiler(manifest, "duckdb"), models
