"""`dbt build --target bigquery` of the whole project on GoogleSQL's own evaluator, twice: DuckDB's rows.

Of every eighth player, since the evaluator compares each row of a join with each other.
"""

import csv
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.bigquery.server import Surface, serving
from tests.bigquery.warehouse import Warehouse
from tests.project.conftest import ROOT, Project

PROFILE = """
fsync:
  target: bigquery
  outputs:
    bigquery: {{type: bigquery, method: oauth-secrets, token: none, project: a-project, dataset: main,
      location: US, threads: 2, job_retries: 0, api_endpoint: '{endpoint}'}}
"""
MODELS = sorted(path.stem for path in (ROOT / "models").rglob("*.sql"))
# Its hashes cover the declared types and the SQL, which each warehouse spells its own way.
OWN_WORDS = {"feature_registry": {"definition_hash", "data_type"}, "player_profile_history": {"dbt_scd_id"}}


# Between a late upload and its events, which are of the day before.
KNOWN_UNTIL = "2026-05-30 22:00:00"


def twice(project: Project, *options: str) -> str:
    """What was known at an instant, then all, with dbt's own tests; what the second build printed."""
    known = ["--vars", f'{{known_until: "{KNOWN_UNTIL}"}}', "--exclude", "path:models/training"]
    project.dbt("build", *options, *known, "--exclude-resource-type", "test", "unit_test")
    return project.dbt("build", *options)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the events of every eighth player."""
    root = tmp_path_factory.mktemp("project")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, root)
    for name in ("macros", "models", "seeds", "snapshots"):
        shutil.copytree(ROOT / name, root / name)
    seed = root / "seeds" / "firebase_events.csv"
    with seed.open(newline="") as read:
        events = csv.DictReader(read)
        rows = list(events)
    players = sorted({row["user_pseudo_id"] for row in rows})[2::8]
    with seed.open("w", newline="") as written:
        writer = csv.DictWriter(written, events.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["user_pseudo_id"] in players)
    return root


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """The project on DuckDB, and what its second build printed."""
    project = Project(root, tmp_path_factory.mktemp("built"))
    return project, twice(project)


@pytest.fixture(scope="module")
def bigquery(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, str]]:
    """The project on GoogleSQL, and what its second build printed."""
    project = Project(root, tmp_path_factory.mktemp("googlesql"))
    warehouse = Warehouse()
    with serving(Surface(warehouse)) as endpoint:
        (project.folder / "profiles.yml").write_text(PROFILE.format(endpoint=endpoint))
        yield warehouse, twice(project, "--profiles-dir", str(project.folder))


def test_everything_is_built_and_tested(bigquery: tuple[Warehouse, str], built: tuple[Project, str]) -> None:
    def ended(printed: str) -> str:
        return printed[printed.rindex("Done.") :].strip()

    assert "ERROR=0 SKIP=0" in ended(bigquery[1])
    assert ended(bigquery[1]) == ended(built[1])


def test_the_second_build_merged_late_events_too(
    bigquery: tuple[Warehouse, str], built: tuple[Project, str]
) -> None:
    merged = re.findall(
        r"(\d+) (?:incremental model|snapshot)", bigquery[1].partition("Finished running ")[2]
    )
    assert bigquery[1].count("[MERGE (") == sum(map(int, merged)) > 0
    with duckdb.connect(str(built[0].warehouse), read_only=True) as connection:
        known = f"timestamp '{KNOWN_UNTIL}'"
        late = f"ingested_at > {known} and event_day < date_trunc('day', {known})"
        assert connection.table("stg_events").filter(late).limit(1).fetchall()


@pytest.mark.parametrize("model", [*MODELS, "player_profile_history"])
def test_the_same_rows_as_on_duckdb(
    model: str, bigquery: tuple[Warehouse, str], built: tuple[Project, str]
) -> None:
    found = bigquery[0].read(f"a-project.main.{model}")
    with duckdb.connect(str(built[0].warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        right = connection.table(model)
        assert list(found.columns) == right.columns
        compared = [n for n, name in enumerate(right.columns) if name not in OWN_WORDS.get(model, ())]
        rows = counted(right.fetchall(), compared)
        assert rows
        assert counted(found.rows(), compared) == rows


def counted(rows: Any, columns: list[int]) -> Counter[str]:
    return Counter(repr([plain(row[n]) for n in columns]) for row in rows)


def plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.replace(tzinfo=None)
        case float() | Decimal():
            # The order of a sum is nobody's.
            return f"{float(value):.9g}"
        case dict():
            return [plain(part) for part in value.values()]
        case list() | tuple():
            return [plain(part) for part in value]
    return value
