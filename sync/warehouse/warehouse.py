from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sync.errors import FsyncError

if TYPE_CHECKING:
    from pyarrow import RecordBatchReader, Table

TimeKind = Literal["date", "naive", "zoned"]


class WarehouseUnavailable(FsyncError):
    """The warehouse cannot be used at all, so that going on with another view is of no use."""


class Warehouse(Protocol):
    """What fsync asks of a warehouse. Identifiers in SQL are always quoted through `quote`.

    `skips`: a scan reads no more than the blocks which a comparison with a constant leaves, and costs nothing
    else, so that several simple scans are cheaper than one with an `or`.
    """

    skips: bool

    def columns(self, relation: str) -> dict[str, str]:
        """Column names and types as the warehouse has them; LookupError when there is no such relation."""

    def time_kind(self, data_type: str) -> TimeKind: ...

    def quote(self, identifier: str) -> str: ...

    def literal(self, instant: int, kind: TimeKind) -> str: ...

    def micros(self, column: str, kind: TimeKind) -> str:
        """A time as integer µs since 1970 in UTC; a date as the end of its day."""

    def order(self, event_us: str, created_us: str) -> str:
        """One number that sorts as (event, created) does."""

    def key_hash(self, keys: Sequence[str]) -> str | None:
        """A number, the same for the same keys; None where to group by it is no cheaper than by the keys."""

    def parts(self, keys: Sequence[str], entities: int) -> list[str]:
        """Conditions that divide the entities, each part small enough to be grouped in memory."""

    def row(self, sql: str) -> tuple[Any, ...]: ...

    def scanned(self, sql: str) -> int | None:
        """Bytes that a query would be billed for, without running it; None where none are billed."""

    def arrow(self, sql: str) -> AbstractContextManager["RecordBatchReader"]: ...

    def schema(self, sql: str) -> "list[tuple[str, str]]":
        """Names and types of a query's columns; a name may stand twice."""

    def numbered(
        self, rows: "str | Path | Table", number: str, types: Mapping[str, str]
    ) -> AbstractContextManager[str]:
        """SQL to stand after `from`: rows of SQL, of a file or in memory, with their position as a column.

        `types`: of columns that a CSV file, or a column of nothing but NULL, leaves open.
        """
