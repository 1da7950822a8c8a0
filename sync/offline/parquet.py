"""Parquet files written as a stream, whole or not at all, and the same bytes for the same rows."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow

from sync.errors import FsyncError

ROWS_PER_GROUP = 131_072


def check_output(path: Path, force: bool) -> None:
    if path.is_dir():
        raise FsyncError(f"{path} is a folder; name the Parquet file to write")
    if path.exists() and not force:
        raise FsyncError(f"{path} exists; --force replaces it")
    if not path.parent.is_dir():
        raise FsyncError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FsyncError(f"cannot write {path}: the folder {path.parent} is not writable")


def write_parquet(path: Path, schema: pyarrow.Schema, batches: Iterable[pyarrow.RecordBatch]) -> int:
    """The number of rows. Nothing is at `path` before everything is written."""
    from pyarrow.parquet import ParquetWriter  # Those who want no file need not wait for it.

    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    rows = 0
    try:
        with part.open("wb") as file, ParquetWriter(file, schema, compression="zstd") as writer:
            for group in _groups(schema, batches):
                writer.write_table(group, row_group_size=ROWS_PER_GROUP)
                rows += group.num_rows
        os.replace(part, path)
    except (OSError, pyarrow.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise FsyncError(f"cannot write {path}: {reason}") from None
    finally:
        part.unlink(missing_ok=True)
    return rows


def _groups(schema: pyarrow.Schema, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.Table]:
    """Groups of one size in one piece: how the rows arrived leaves no trace in the file."""
    pending: list[pyarrow.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= ROWS_PER_GROUP:
            head = ROWS_PER_GROUP - count
            yield pyarrow.Table.from_batches([*pending, batch.slice(0, head)], schema).combine_chunks()
            batch, pending, count = batch.slice(head), [], 0
        if batch.num_rows:
            pending.append(batch)
            count += batch.num_rows
    if count:
        yield pyarrow.Table.from_batches(pending, schema).combine_chunks()
