"""`fsync lint` over a dbt project, from dbt's compiler to the exit code, and over our own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sync.cli.app import app
from sync.errors import FsyncError
from sync.lint.docs import as_markdown
from sync.lint.project import lint_project
from sync.lint.report import as_json, as_text
from sync.project import open_project, read_target
from sync.registry.compiled import CompiledProject, compile_project

ROOT = Path(__file__).parents[2]
NEXT_SPEND = Path("models/features/player/next_spend.sql")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shutil.copytree(Path(__file__).parent / "project", tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompiledProject]:
    """The project with more to find, compiled once."""
    folder = tmp_path_factory.mktemp("lint") / "shop"
    shutil.copytree(Path(__file__).parent / "project", folder)
    (folder / "macros").mkdir()
    (folder / "macros" / "ahead.sql").write_text(
        "{% macro ahead(column) %}\nlead({{ column }}) over (\n"
        "    partition by player_id order by event_at\n) as ahead\n{% endmacro %}\n"
    )
    (folder / "models/staging/stg_ahead.sql").write_text(
        "select\n    player_id,\n    event_at,\n    {{ ahead('amount') }}\nfrom {{ ref('stg_orders') }}\n"
    )
    with (folder / NEXT_SPEND).open("a") as file:
        file.write("left join {{ ref('stg_ahead') }} as ahead on orders.player_id = ahead.player_id\n")
        file.write("where orders.event_at < now()\n")
    project = open_project(folder)
    return folder, compile_project(project, read_target(project))


def test_findings_lie_in_the_sources(compiled: tuple[Path, CompiledProject]) -> None:
    report = lint_project(open_project(compiled[0]), compiled[1])
    found = [(one.code, one.severity, one.model, one.file, one.line) for one in report.findings]
    assert found == [
        ("FS001", "error", "next_spend", str(NEXT_SPEND), 11),
        ("FS004", "warning", "spend_share", "models/features/player/spend_share.sql", 17),
        ("FS002", "warning", "stg_ahead", "models/staging/stg_ahead.sql", 4),
        ("FS008", "warning", "stg_ahead", "models/staging/stg_ahead.sql", 4),
        ("FS003", "error", "won", "models/training/won.sql", 10),
    ]
    assert report.models == 7


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["lint", "--project-dir", str(folder), *arguments], catch_exceptions=False)


def test_annotations_of_a_pull_request(shop: Path) -> None:
    found = run(shop, "--format", "github")
    assert found.exit_code == 1
    first, second = found.stdout.splitlines()
    share = "file=models/features/player/spend_share.sql,line=17,title=FS004"
    assert first.startswith(f"::warning {share}::spent is an aggregate over all times")
    assert second.startswith("::error file=models/training/won.sql,line=10,title=FS003::spend is joined ")
    assert not (shop / "target" / "manifest.json").exists()


def test_some_models_only(compiled: tuple[Path, CompiledProject]) -> None:
    folder, project = compiled
    share = lint_project(open_project(folder), project, ("spend_share",))
    assert (share.models, [one.code for one in share.findings]) == (2, ["FS004"])
    assert (share.fails(), share.fails(strict=True)) == (False, True)
    assert as_json(share)["findings"][0]["line"] == 17
    clean = lint_project(open_project(folder), project, ("spend",))
    assert (as_text(clean), clean.fails(strict=True)) == ("2 models: nothing found", False)
    with pytest.raises(FsyncError, match=r"^no model 'spent' to lint \(did you mean 'spend'\?\)$"):
        lint_project(open_project(folder), project, ("spent",))


def test_a_project_that_does_not_compile(shop: Path) -> None:
    (shop / NEXT_SPEND).write_text("select * from {{ ref('nothing') }}")
    result = run(shop)
    assert result.exit_code == 2
    assert result.stderr.startswith("fsync: dbt compile failed: ")
    assert len(result.stderr.splitlines()) == 1


def test_usage() -> None:
    assert run(Path("."), "--format", "xml").exit_code == 2
    assert run(Path("."), "spend", "--time-travel", "spend").exit_code == 2


def test_our_own_models(tmp_path: Path) -> None:
    """In both dialects, at once."""
    credentials = {"FSYNC_BIGQUERY_METHOD": "oauth-secrets", "FSYNC_BIGQUERY_TOKEN": "none"}
    runs = [
        subprocess.Popen(
            [Path(sys.executable).with_name("fsync"), "lint", "--strict", "--target", target],
            cwd=ROOT,
            env=os.environ | credentials | {"DBT_TARGET_PATH": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for target in ("dev", "bigquery")
    ]
    for run in runs:
        said = run.communicate()[0]
        assert (run.returncode, said.split(": ")[-1]) == (0, "nothing found\n"), said


def test_the_documentation_is_current() -> None:
    assert (ROOT / "docs" / "lint.md").read_text() == as_markdown(), "run scripts/lint_docs"
