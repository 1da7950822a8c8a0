"""`dbt build --target bigquery` of the whole project on GoogleSQL's own evaluator: DuckDB's rows."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.bigquery.server import Surface, serving
from tests.bigquery.warehouse import Warehouse
from tests.project.conftest import ROOT, Project, built

__all__ = ["built"]

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


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, str]]:
    """The project as built, with all of dbt's own tests, and what dbt printed."""
    project = Project(ROOT, tmp_path_factory.mktemp("googlesql"))
    warehouse = Warehouse()
    with serving(Surface(warehouse)) as endpoint:
        (project.folder / "profiles.yml").write_text(PROFILE.format(endpoint=endpoint))
        yield warehouse, project.dbt("build", "--profiles-dir", str(project.folder))


def test_everything_is_built_and_tested(warehouse: tuple[Warehouse, str], built: tuple[Project, str]) -> None:
    def ended(printed: str) -> str:
        return printed[printed.rindex("Done.") :].strip()

    assert "ERROR=0 SKIP=0" in ended(warehouse[1])
    assert ended(warehouse[1]) == ended(built[1])


@pytest.mark.parametrize("model", [*MODELS, "player_profile_history"])
def test_the_same_rows_as_the_duckdb_build(
    model: str, warehouse: tuple[Warehouse, str], built: tuple[Project, str]
) -> None:
    found = warehouse[0].read(f"a-project.main.{model}")
    with duckdb.connect(str(built[0].warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        right = connection.table(model)
        assert list(found.columns) == right.columns
        compared = [n for n, name in enumerate(right.columns) if name not in OWN_WORDS.get(model, ())]
        assert counted(found.rows(), compared) == counted(right.fetchall(), compared)


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
