import base64
import json
import logging
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sync.errors import FsyncError
from sync.instants import DAY, END, to_datetime
from sync.project import Target
from sync.warehouse.cost import format_bytes, parse_bytes
from sync.warehouse.warehouse import TimeKind, WarehouseUnavailable

if TYPE_CHECKING:
    from pyarrow import RecordBatchReader, Table

_LOG = logging.getLogger(__name__)
# "Query exceeded limit for bytes billed: 1000000. 20971520 or higher required."
_OVER_LIMIT = re.compile(r"exceeded limit for bytes billed: (\d+)\. (\d+) or higher required")


class BigQueryWarehouse:
    skips = False

    def __init__(self, client: Any, settings: dict[str, Any]) -> None:
        self._client = client
        self._settings = settings

    def columns(self, relation: str) -> dict[str, str]:
        from google.api_core.exceptions import NotFound

        try:
            with _failures(NotFound):
                table = self._client.get_table(relation.replace("`", ""))
        except NotFound:
            raise LookupError(relation) from None
        return {field.name: field.field_type for field in table.schema}

    def time_kind(self, data_type: str) -> TimeKind:
        return {"DATE": "date", "TIMESTAMP": "zoned"}.get(data_type.upper(), "naive")  # type: ignore[return-value]

    def quote(self, identifier: str) -> str:
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def literal(self, instant: int, kind: TimeKind) -> str:
        if kind == "date":
            return f"date '{to_datetime(instant - DAY):%Y-%m-%d}'"
        text = f"{to_datetime(instant):%Y-%m-%d %H:%M:%S.%f}"
        return f"timestamp '{text}+00'" if kind == "zoned" else f"datetime '{text}'"

    def micros(self, column: str, kind: TimeKind) -> str:
        instant = f"unix_micros(timestamp({column}))"
        return f"({instant} + {DAY})" if kind == "date" else instant

    def order(self, event_us: str, created_us: str) -> str:
        return f"cast({event_us} as bignumeric) * {END} + {created_us}"

    def key_hash(self, _keys: Sequence[str]) -> None:
        return None

    def parts(self, keys: Sequence[str], entities: int) -> list[str]:
        del keys, entities
        return ["true"]

    def row(self, sql: str) -> tuple[Any, ...]:
        with _failures():
            return tuple(next(iter(self._query(sql).result())).values())

    @contextmanager
    def arrow(self, sql: str) -> Iterator["RecordBatchReader"]:
        import pyarrow

        with _failures():
            result = self._query(sql).result()
            batches, first = self._batches(result)
            if first is None:
                yield pyarrow.RecordBatchReader.from_batches(result.to_arrow().schema, [])
            else:
                yield pyarrow.RecordBatchReader.from_batches(first.schema, _chain(first, batches))

    def schema(self, sql: str) -> list[tuple[str, str]]:
        return [(field.name, field.field_type) for field in self._dry_run(sql).schema or []]

    def scanned(self, sql: str) -> int:
        """Bytes that a query would read, by a dry run, which costs nothing."""
        return int(self._dry_run(sql).total_bytes_processed or 0)

    def _dry_run(self, sql: str) -> Any:
        from google.cloud.bigquery import QueryJobConfig

        with _failures():
            return self._client.query(sql, job_config=QueryJobConfig(dry_run=True, use_query_cache=False))

    @contextmanager
    def numbered(self, rows: "str | Path | Table", number: str, types: Mapping[str, str]) -> Iterator[str]:
        """A file or table is loaded into a table of the target's dataset, which is dropped at the end.

        Written from BigQuery's documentation and not yet run against the service. A CSV file is typed by
        pyarrow. Rows of SQL have no order in BigQuery, so they come in one of its own.
        """
        del types
        if isinstance(rows, str):
            yield f"(select *, row_number() over () as {number} from {rows})"
            return
        table = f"{self._client.project}.{self._settings['dataset']}.fsync_rows_{secrets.token_hex(8)}"
        try:
            with _failures():
                self._load(_read(rows), table, number)
            yield self.quote(table)
        finally:
            with _failures():
                self._client.delete_table(table, not_found_ok=True)

    def _load(self, rows: "Table", table: str, number: str) -> None:
        import pyarrow
        import pyarrow.parquet
        from google.cloud.bigquery import LoadJobConfig

        numbers = pyarrow.array(range(rows.num_rows), pyarrow.int64())
        with tempfile.TemporaryFile() as file:
            pyarrow.parquet.write_table(rows.append_column(number, numbers), file)
            file.seek(0)
            config = LoadJobConfig(source_format="PARQUET")
            self._client.load_table_from_file(file, table, job_config=config).result()
        loaded = self._client.get_table(table)
        loaded.expires = datetime.now(UTC) + timedelta(days=1)
        self._client.update_table(loaded, ["expires"])

    def _batches(self, result: Any) -> tuple[Iterator[Any], Any]:
        """The batches after the first, and the first; one batch waits in memory at most."""
        from google.api_core.exceptions import Forbidden

        if storage := self._storage():
            batches = iter(result.to_arrow_iterable(bqstorage_client=storage, max_queue_size=1))
            try:
                return batches, next(batches, None)
            except Forbidden as error:
                reason = str(error).partition("\n")[0]
                _LOG.warning("fsync: BigQuery's Storage Read API is refused, reading by REST: %s", reason)
        batches = iter(result.to_arrow_iterable())
        return batches, next(batches, None)

    def _storage(self) -> Any:
        if self._settings.get("api_endpoint"):
            # The Storage API of another endpoint lies at an address that the profile does not say.
            return None
        try:
            from google.cloud import bigquery_storage
        except ImportError:
            _LOG.warning("fsync: google-cloud-bigquery-storage is missing, reading by REST, which is slow")
            return None
        credentials = self._client._credentials
        return bigquery_storage.BigQueryReadClient(credentials=credentials)  # type: ignore[no-untyped-call]

    def _query(self, sql: str) -> Any:
        from google.cloud.bigquery import QueryJobConfig

        limit = parse_bytes(self._settings.get("maximum_bytes_billed") or 0, "maximum_bytes_billed")
        config = QueryJobConfig(maximum_bytes_billed=limit) if limit else QueryJobConfig()
        return self._client.query(sql, job_config=config)


def _read(rows: "Path | Table") -> "Table":
    import pyarrow.csv
    import pyarrow.parquet

    if not isinstance(rows, Path):
        return rows
    return pyarrow.csv.read_csv(rows) if rows.suffix.lower() == ".csv" else pyarrow.parquet.read_table(rows)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


@contextmanager
def open_bigquery(target: Target) -> Iterator[BigQueryWarehouse]:
    try:
        from google.cloud import bigquery
    except ImportError:
        raise WarehouseUnavailable(
            f"target {target.name} is BigQuery, whose client is missing; run `pip install 'fsync[bigquery]'`"
        ) from None
    settings = target.settings
    with _failures():
        client = bigquery.Client(
            project=settings.get("execution_project") or settings.get("project") or settings.get("database"),
            credentials=_credentials(settings, target),
            location=settings.get("location"),
            client_options={"api_endpoint": endpoint} if (endpoint := settings.get("api_endpoint")) else None,
        )
    try:
        yield BigQueryWarehouse(client, settings)
    finally:
        client.close()  # type: ignore[no-untyped-call]


def _credentials(settings: dict[str, Any], target: Target) -> Any:
    from google.oauth2 import credentials

    method = settings.get("method", "oauth")
    if method == "oauth":
        return None
    if method == "service-account":
        return _service_account().from_service_account_file(settings.get("keyfile"))
    if method == "service-account-json":
        info = settings.get("keyfile_json")
        if isinstance(info, str):
            info = json.loads(base64.b64decode(info) if not info.lstrip().startswith("{") else info)
        return _service_account().from_service_account_info(info)
    if method == "oauth-secrets":
        return credentials.Credentials(  # type: ignore[no-untyped-call]
            token=settings.get("token"),
            refresh_token=settings.get("refresh_token"),
            client_id=settings.get("client_id"),
            client_secret=settings.get("client_secret"),
            token_uri=settings.get("token_uri"),
        )
    raise WarehouseUnavailable(
        f"{target.source}: target {target.name} has method '{method}'; fsync knows oauth, oauth-secrets, "
        "service-account and service-account-json"
    )


def _service_account() -> Any:
    from google.oauth2.service_account import Credentials

    return Credentials


@contextmanager
def _failures(*passing: type[Exception]) -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except passing:
        raise
    except (GoogleAPIError, GoogleAuthError, OSError, ValueError) as error:
        raise FsyncError(_over_limit(str(error)) or f"BigQuery: {str(error).partition(chr(10))[0]}") from None


def _over_limit(message: str) -> str | None:
    """What BigQuery says of a query above `maximum_bytes_billed`, with both numbers and the way out."""
    found = _OVER_LIMIT.search(message)
    if found is None:
        return None
    allowed, needed = (int(number) for number in found.groups())
    return (
        f"BigQuery refused a query that would bill {format_bytes(needed)} ({needed:,} bytes): "
        f"{format_bytes(allowed)} ({allowed:,} bytes) are allowed; "
        "raise `maximum_bytes_billed` of the target in profiles.yml"
    )
