from pathlib import Path

import duckdb
import pytest

from tests.bigquery.reference import GoogleSQL
from tests.properties.conftest import shapes

__all__ = ["shapes"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.bigquery)


@pytest.fixture(scope="session")
def engine() -> GoogleSQL:
    return GoogleSQL()


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection
