import pyarrow

from sync.instants import DAY, now, to_text
from sync.words import counted

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class Watch:
    """Sees what deserves a word, as the rows go by."""

    def __init__(self, timestamp: str) -> None:
        self._timestamp = timestamp.lower()
        self._without, self._latest = 0, 0

    def see(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        position = [name.lower() for name in batch.schema.names].index(self._timestamp)
        column = batch.column(position)
        self._without += column.null_count
        self._latest = max(self._latest, _latest(column.drop_null() if column.null_count else column))
        return batch

    def warnings(self, as_known_at: int | None) -> list[str]:
        found = []
        if self._without:
            rows = counted(self._without, "row")
            found.append(f"{rows} of the spine without a timestamp: no features there")
        if as_known_at is None and self._latest > now():
            found.append(
                f"the spine reaches into the future ({to_text(self._latest)}): "
                "what is known there may still change"
            )
        return found


def _latest(column: pyarrow.Array) -> int:
    """The greatest instant. Python looks through them before Arrow's functions are loaded."""
    if not len(column):
        return 0
    is_date = pyarrow.types.is_date32(column.type)
    values = memoryview(column.buffers()[1]).cast("i" if is_date else "q")
    latest = max(values[column.offset : column.offset + len(column)])
    return latest * DAY if is_date else latest * 1_000_000 // PER_SECOND[column.type.unit]
