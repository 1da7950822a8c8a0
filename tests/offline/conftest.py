"""The arcade project with the fsync package installed, as a project that has training sets."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, Arcade, made_once

ROOT = Path(__file__).parents[2]
NOWHERE = "redis://127.0.0.1:1"

BIGQUERY = """
    bigquery:
      type: bigquery
      method: oauth-secrets
      project: a-project
      dataset: features
      token: none
"""

# What test_macros compares with dbt: features and options of point_in_time_join.
CALLS: list[tuple[list[str], dict[str, object]]] = [
    (["player_activity:sessions", "player_day:score"], {}),
    (["player_activity@1:sessions", "player_activity:sessions"], {"full_names": True, "ages": True}),
    (["player_mode_skill:rating", "player_activity:play_minutes"], {"as_known_at": False, "defaults": False}),
    (["odd_names:it's %d {x} é", "odd_names:select"], {"timestamp": '"at"', "full_names": True}),
    (["player_activity:sessions"], {"known_until": "2024-03-08T00:00:00Z"}),
    (
        ["every_type:label", "player_day:score"],
        {"known_until": "2024-03-08", "as_known_at": False, "ages": True},
    ),
]
BETWEEN = "-- and the next\n"

# One process for all that dbt has to do: its start costs more than the work.
RUN_DBT = """
import json, pathlib, sys
from dbt.cli.main import dbtRunner

def run(*arguments):
    ended = dbtRunner().invoke(["--quiet", "--no-use-colors", *arguments])
    assert ended.success, ended.exception or ended.result
    return ended.result

run("build")
for adapter, target in (("duckdb", "dev"), ("bigquery", "bigquery")):
    folder = pathlib.Path("compiled") / adapter
    options = ["--target", target, "--target-path", str(folder), "--no-populate-cache", "--no-introspect"]
    (result,) = run("compile", "--inline", sys.argv[1], *options).results
    (folder / "inline.sql").write_text(result.node.compiled_code)
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Arcade with the package's macros where `dbt deps` puts them; CALLS compiled by dbt under compiled/."""
    return made_once(tmp_path_factory, "arcade_with_macros", _build)


def _build(directory: Path) -> None:
    shutil.copytree(FIXTURES / "arcade", directory)
    package = directory / "dbt_packages" / "fsync"
    shutil.copytree(ROOT / "macros", package / "macros")
    (package / "dbt_project.yml").write_text("name: fsync\nversion: 0.1.0\n")
    with (directory / "profiles.yml").open("a") as profiles:
        profiles.write(BIGQUERY)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DBT_", "ARCADE_", "PYTHONWARNINGS"))}
    run = subprocess.run(
        [sys.executable, "-c", RUN_DBT, BETWEEN.join(map(_inline, CALLS))],
        cwd=directory,
        env={**kept, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def _inline(call: tuple[list[str], dict[str, object]]) -> str:
    features, options = call
    arguments = ["'a_spine'", json.dumps(features, ensure_ascii=False)]
    arguments += [f"{name}={value!r}" for name, value in options.items()]
    return f"{{{{ fsync.point_in_time_join({', '.join(arguments)}) }}}}\n"


@pytest.fixture(scope="module")
def shared(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Arcade:
    """One copy for the tests of a module, whose tables they may fill anew."""
    directory = tmp_path_factory.mktemp("shared") / "arcade"
    shutil.copytree(built, directory)
    return Arcade(directory, NOWHERE)


@pytest.fixture
def arcade(built: Path, tmp_path: Path) -> Arcade:
    directory = tmp_path / "arcade"
    shutil.copytree(built, directory)
    return Arcade(directory, NOWHERE)
