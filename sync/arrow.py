from typing import Any

import duckdb
from pyarrow import RecordBatchReader


def arrow_reader(connection: duckdb.DuckDBPyConnection, sql: str, rows_per_batch: int) -> RecordBatchReader:
    relation: Any = connection.query(sql)
    # The older name warns in DuckDB 2, the newer one is not there in DuckDB 1.4.
    read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    return read(rows_per_batch)
