"""Whatever a person has as a table, as an Arrow table."""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow

from sync.errors import FsyncError

_UNKNOWN = re.compile("halffloat|decimal256")


def as_table(given: Any, what: str) -> pyarrow.Table:
    """Of a pyarrow, pandas or polars table, or a list of mappings."""
    try:
        if isinstance(given, pyarrow.Table):
            table = given
        elif isinstance(given, list) and all(isinstance(row, Mapping) for row in given):
            # Arrow would take the names of the first row for those of all.
            names = dict.fromkeys(name for row in given for name in row)
            table = pyarrow.table({name: pyarrow.array([row.get(name) for row in given]) for name in names})
        elif hasattr(given, "__arrow_c_stream__"):
            table = pyarrow.RecordBatchReader.from_stream(given).read_all()
        else:
            raise FsyncError(
                f"{what} must be a table (pyarrow, pandas, polars), a file, a SELECT or a model, "
                f"not {type(given).__name__}"
            )
    except (pyarrow.ArrowException, ValueError, TypeError, AttributeError) as error:
        raise FsyncError(f"cannot read {what} as a table: {error}") from None
    # A pandas index without a name is no data.
    index = [name for name in table.column_names if re.fullmatch("__index_level_[0-9]+__", name)]
    return _readable(table.drop_columns(index), what).replace_schema_metadata(None)


def _readable(table: pyarrow.Table, what: str) -> pyarrow.Table:
    """Without the types of Arrow that DuckDB does not know."""
    for place, field in enumerate(table.schema):
        if pyarrow.types.is_float16(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pyarrow.float32()))
        elif _UNKNOWN.search(str(field.type)):
            raise FsyncError(f"cannot read {what} as a table: column {field.name} is {field.type}; cast it")
    return table
