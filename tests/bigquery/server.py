"""The lines of BigQuery's REST API that dbt-bigquery speaks, before a Warehouse: a double, of the surface."""

import csv
import gzip
import io
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from zetasql.wasi._pb2.zetasql.public import type_pb2

from tests.bigquery.reference import EPOCH, NAMES, GoogleSQLError, Table
from tests.bigquery.warehouse import Done, Warehouse

RESULTS = "_results"
# The names of the types before standard SQL, which schemas still have.
LEGACY = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
FROM_CSV: dict[str, Callable[[str], object]] = {"INT64": int, "FLOAT64": float, "STRING": str}


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}


class Surface:
    """What a request does; the answers are JSON."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.jobs: dict[str, dict[str, Any]] = {}
        self.results: dict[str, Table] = {}
        project = r"/bigquery/v2/projects/([^/]+)"
        self.routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", f"{project}/datasets", self.list_datasets),
            ("GET", f"{project}/datasets/([^/]+)", self.get_dataset),
            ("GET", f"{project}/datasets/([^/]+)/tables", self.list_tables),
            ("GET", f"{project}/datasets/[^/]+/routines", lambda *_: {}),
            ("GET", f"{project}/datasets/([^/]+)/tables/([^/]+)", self.get_table),
            ("DELETE", f"{project}/datasets/([^/]+)/tables/([^/]+)", self.delete_table),
            ("POST", f"{project}/jobs", self.run_job),
            ("GET", f"{project}/jobs/([^/]+)", lambda _, __, job: self.jobs[job]),
            ("GET", f"{project}/queries/([^/]+)", self.query_results),
            ("POST", f"/upload{project}/jobs", self.start_load),
            ("PUT", "/load/([^/]+)", self.finish_load),
        ]

    def answer(self, method: str, path: str, body: bytes) -> Any:
        for verb, pattern, does in self.routes:
            if verb == method and (found := re.fullmatch(pattern, path)):
                return does(body, *found.groups())
        raise Refused(501, "notImplemented", f"not of this double: {method} {path}")

    def list_datasets(self, _: bytes, project: str) -> Any:
        return {
            "datasets": [self.get_dataset(b"", project, name) for name in sorted(self.warehouse.datasets)]
        }

    def get_dataset(self, _: bytes, project: str, dataset: str) -> Any:
        if dataset not in self.warehouse.datasets:
            raise Refused(404, "notFound", f"Not found: Dataset {project}:{dataset}")
        reference = {"projectId": project, "datasetId": dataset}
        return {"id": f"{project}:{dataset}", "datasetReference": reference, "location": "US"}

    def list_tables(self, _: bytes, project: str, dataset: str) -> Any:
        names = [*self.warehouse.tables, *self.warehouse.views]
        return {
            "tables": [
                self._described(*name.split("."))
                for name in sorted(names)
                if name.startswith(f"{project}.{dataset}.")
            ]
        }

    def get_table(self, _: bytes, project: str, dataset: str, table: str) -> Any:
        try:
            name = f"{project}.{dataset}.{table}"
            rows = self.results[table] if dataset == RESULTS else self.warehouse.read(name)
        except KeyError as error:
            raise Refused(404, "notFound", f"Not found: Table {project}:{dataset}.{table}") from error
        return self._described(project, dataset, table) | {"schema": schema(rows), "numRows": str(len(rows))}

    def _described(self, project: str, dataset: str, table: str) -> dict[str, Any]:
        return {
            "id": f"{project}:{dataset}.{table}",
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
            "type": "VIEW" if f"{project}.{dataset}.{table}" in self.warehouse.views else "TABLE",
        }

    def delete_table(self, _: bytes, project: str, dataset: str, table: str) -> Any:
        name = f"{project}.{dataset}.{table}"
        if self.warehouse.tables.pop(name, None) is None and self.warehouse.views.pop(name, None) is None:
            raise Refused(404, "notFound", f"Not found: Table {project}:{dataset}.{table}")
        return {}

    def run_job(self, body: bytes, project: str) -> Any:
        job = json.loads(body)
        query = job["configuration"]["query"]
        try:
            done = self.warehouse.execute(query["query"])
        except GoogleSQLError as error:
            raise Refused(400, "invalidQuery", str(error)) from error
        number = job["jobReference"]["jobId"]
        destination = done.destination or f"{project}.{RESULTS}.{number}"
        if done.rows is not None:
            self.results[number] = done.rows
            reference = zip(("projectId", "datasetId", "tableId"), destination.split("."), strict=True)
            query["destinationTable"] = dict(reference)
        return self._finished(job, done)

    def _finished(self, job: dict[str, Any], done: Done | None = None) -> dict[str, Any]:
        now = str((datetime.now(UTC) - EPOCH) // timedelta(milliseconds=1))
        statistics: dict[str, Any] = {"creationTime": now, "startTime": now, "endTime": now}
        if done:
            statistics["query"] = {"statementType": done.kind, "totalBytesProcessed": "0"}
        job["jobReference"]["location"] = "US"
        job |= {"status": {"state": "DONE"}, "statistics": statistics}
        return self.jobs.setdefault(job["jobReference"]["jobId"], job)

    def query_results(self, _body: bytes, _project: str, number: str) -> Any:
        answer = {"jobReference": self.jobs[number]["jobReference"], "jobComplete": True}
        rows = self.results.get(number)
        if rows is None:
            return answer
        cells = [{"f": [{"v": cell(value)} for value in row]} for row in rows.rows()]
        return answer | {"schema": schema(rows), "rows": cells, "totalRows": str(len(rows))}

    def start_load(self, body: bytes, _project: str) -> Any:
        job = json.loads(body)
        number = job["jobReference"].setdefault("jobId", uuid.uuid4().hex)
        self.jobs[number] = job
        return {"location": f"/load/{number}"}

    def finish_load(self, body: bytes, number: str) -> Any:
        job = self.jobs.pop(number)
        load = job["configuration"]["load"]
        fields = load["schema"]["fields"]
        columns = {f["name"]: LEGACY.get(f["type"].upper(), f["type"].upper()) for f in fields}
        lines = csv.reader(io.StringIO(body.decode()), delimiter=load.get("fieldDelimiter", ","))
        for _ in range(int(load["skipLeadingRows"])):
            next(lines)
        read = [FROM_CSV[kind] for kind in columns.values()]
        rows = ([f(text) if text else None for f, text in zip(read, line, strict=True)] for line in lines)
        target = load["destinationTable"]
        name = ".".join(target[part] for part in ("projectId", "datasetId", "tableId"))
        self.warehouse.tables[name] = Table.of(columns, rows)
        return self._finished(job)


def schema(table: Table) -> dict[str, Any]:
    return {"fields": [described(name, kind) for name, kind in table.columns.items()]}


def described(name: str, kind: Any) -> dict[str, Any]:
    if kind.type_kind == type_pb2.TYPE_ARRAY:
        return described(name, kind.array_type.element_type) | {"mode": "REPEATED"}
    if kind.type_kind == type_pb2.TYPE_STRUCT:
        fields = [described(field.field_name, field.field_type) for field in kind.struct_type.field]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": fields}
    return {"name": name, "type": NAMES[kind.type_kind], "mode": "NULLABLE"}


def cell(value: Any) -> Any:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case datetime():
            return str((value - EPOCH) // timedelta(microseconds=1))
        case list():
            return [{"v": cell(element)} for element in value]
        case tuple():
            return {"f": [{"v": cell(part)} for part in value]}
        case int() | float() | Decimal() | date():
            return str(value)
    return value


@contextmanager
def serving(surface: Surface) -> Iterator[str]:
    """The endpoint, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            try:
                status, answer = 200, surface.answer(self.command, urlsplit(self.path).path, body)
            except Refused as refused:
                status, answer = refused.error["code"], {"error": refused.error}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if "location" in answer and self.path.startswith("/upload"):
                self.send_header("Location", f"http://{self.headers['Host']}{answer['location']}")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = respond

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
