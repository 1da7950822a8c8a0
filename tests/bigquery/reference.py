"""GoogleSQL by Google itself: ZetaSQL's analyzer and its reference evaluator, built as WebAssembly.

BigQuery is written in GoogleSQL and ZetaSQL is its definition: the evaluator is slow, in memory, and right.
What it knows of BigQuery's own: time zone UTC, types of the outside world (no int32, no protocol buffers).
"""

import ctypes
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Self

import tzdata
import wasmtime
from google.protobuf.message import Message
from zetasql.wasi import get_wasm_path
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import options_pb2
from zetasql.wasi._pb2.zetasql.public import options_pb2 as public
from zetasql.wasi._pb2.zetasql.public import type_pb2

KINDS = {
    "INT64": type_pb2.TYPE_INT64,
    "FLOAT64": type_pb2.TYPE_DOUBLE,
    "BOOL": type_pb2.TYPE_BOOL,
    "STRING": type_pb2.TYPE_STRING,
    "DATE": type_pb2.TYPE_DATE,
    "TIMESTAMP": type_pb2.TYPE_TIMESTAMP,
    "NUMERIC": type_pb2.TYPE_NUMERIC,
}
NAMES = {kind: name for name, kind in KINDS.items()}
CATALOGS = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class GoogleSQLError(Exception):
    """What the analyzer or the evaluator refuses, in its words."""


@dataclass(frozen=True)
class Table:
    """Rows as the evaluator takes and gives them, cells as protocol buffers; its columns' types by name."""

    columns: Mapping[str, Any]
    content: Any

    @classmethod
    def of(cls, columns: Mapping[str, str], rows: Iterable[Iterable[object]]) -> Self:
        content = service.TableContent()
        content.table_data.SetInParent()
        for row in rows:
            cells = content.table_data.row.add().cell
            for value in row:
                _encode(value, cells.add())
        return cls(
            {name: type_pb2.TypeProto(type_kind=KINDS[kind]) for name, kind in columns.items()}, content
        )

    def __len__(self) -> int:
        return len(self.content.table_data.row)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        for row in self.content.table_data.row:
            yield tuple(map(_decode, row.cell))

    @cached_property
    def without_rows(self) -> Self:
        return type(self)(self.columns, self.of({}, ()).content)

    def and_rows_of(self, other: "Table") -> "Table":
        content = service.TableContent()
        content.CopyFrom(self.content)
        content.table_data.row.extend(other.content.table_data.row)
        return Table(self.columns, content)


def _encode(value: object, cell: Any) -> None:
    match value:
        case None:
            pass
        case bool():
            cell.bool_value = value
        case int():
            cell.int64_value = value
        case float():
            cell.double_value = value
        case str():
            cell.string_value = value
        case datetime():
            micros = (value.replace(tzinfo=value.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)
            cell.timestamp_value.FromMicroseconds(micros)
        case date():
            cell.date_value = (value - EPOCH.date()).days
        case _:
            raise TypeError(f"no GoogleSQL value: {value!r}")


def _decode(cell: Any) -> Any:
    kind = cell.WhichOneof("value")
    match kind:
        case None:
            return None
        case "timestamp_value":
            return EPOCH + timedelta(microseconds=cell.timestamp_value.ToMicroseconds())
        case "date_value":
            return EPOCH.date() + timedelta(days=cell.date_value)
        case "numeric_value":
            return Decimal(int.from_bytes(cell.numeric_value, "little", signed=True)).scaleb(-9)
        case "array_value":
            return list(map(_decode, cell.array_value.element))
        case "struct_value":
            return tuple(map(_decode, cell.struct_value.field))
    return getattr(cell, kind)


class GoogleSQL:
    """One instance of the WebAssembly module. Not to be shared between threads."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        config.shared_memory = True
        config.cache = True
        wasi = wasmtime.WasiConfig()
        wasi.preopen_dir(os.path.join(os.path.dirname(tzdata.__file__), "zoneinfo"), "/usr/share/zoneinfo")
        self._store = wasmtime.Store(wasmtime.Engine(config))
        self._store.set_wasi(wasi)
        linker = wasmtime.Linker(self._store.engine)
        linker.define_wasi()
        module = wasmtime.Module.from_file(self._store.engine, str(get_wasm_path()))
        self._exports = linker.instantiate(self._store, module).exports(self._store)
        self._export("_initialize")()
        # With the tables, whose ids must stay theirs.
        self._catalogs: OrderedDict[tuple[tuple[str, int], ...], tuple[int, dict[str, Table]]] = OrderedDict()
        self._language = options_pb2.LanguageOptionsProto()
        self._call(
            "GetLanguageOptions", service.LanguageOptionsRequest(maximum_features=True), self._language
        )
        self._language.product_mode = public.PRODUCT_EXTERNAL
        # None listed means all, DDL and DML among them.
        del self._language.supported_statement_kinds[:]

    def analyze(self, sql: str, tables: Mapping[str, Table]) -> Any:
        """The statement as resolved; GoogleSQLError when a name, a type or a signature is wrong."""
        request = service.AnalyzeRequest(sql_statement=sql, registered_catalog_id=self._catalog(tables))
        self._set(request.options)
        response = service.AnalyzeResponse()
        self._call("Analyze", request, response)
        return response.resolved_statement

    def query(self, sql: str, tables: Mapping[str, Table]) -> Table:
        request = service.PrepareQueryRequest(sql=sql, registered_catalog_id=self._catalog(tables))
        self._set(request.options)
        prepared = service.PrepareQueryResponse()
        self._call("PrepareQuery", request, prepared)
        number = prepared.prepared.prepared_query_id
        result = service.EvaluateQueryResponse()
        try:
            self._call("EvaluateQuery", service.EvaluateQueryRequest(prepared_query_id=number), result)
        finally:
            self._call("UnprepareQuery", service.UnprepareQueryRequest(prepared_query_id=number), None)
        return Table({column.name: column.type for column in prepared.prepared.columns}, result.content)

    def _set(self, options: Any) -> None:
        options.language_options.CopyFrom(self._language)
        options.default_timezone = "UTC"

    def _catalog(self, tables: Mapping[str, Table]) -> int:
        """Of these tables. Asked of the same ones again, it need not be told of them and of all functions."""
        key = tuple((name, id(table)) for name, table in sorted(tables.items()))
        if key not in self._catalogs:
            if len(self._catalogs) == CATALOGS:
                _, (oldest, _) = self._catalogs.popitem(last=False)
                self._call("UnregisterCatalog", service.UnregisterRequest(registered_id=oldest), None)
            request = service.RegisterCatalogRequest()
            catalog = request.simple_catalog
            catalog.builtin_function_options.language_options.CopyFrom(self._language)
            for name, table in tables.items():
                described = catalog.table.add(name=name)
                for column, kind in table.columns.items():
                    described.column.add(name=column).type.CopyFrom(kind)
                request.table_content[name].CopyFrom(table.content)
            response = service.RegisterResponse()
            self._call("RegisterCatalog", request, response)
            self._catalogs[key] = response.registered_id, dict(tables)
        self._catalogs.move_to_end(key)
        return self._catalogs[key][0]

    def _call(self, method: str, request: Message, response: Message | None) -> None:
        """A call of ZetaSQL's local service: protocol buffers, in the module's memory."""
        sent = request.SerializeToString()
        malloc, free = self._export("wasm_malloc"), self._export("wasm_free")
        argument, length = malloc(len(sent)), malloc(4)
        try:
            ctypes.memmove(self._address(argument), sent, len(sent))
            answer = self._export(f"ZetaSqlLocalService_{method}")(argument, len(sent), length)
            if not answer:
                size = self._export("wasm_get_last_error_size")()
                raise GoogleSQLError(self._read(self._export("wasm_get_last_error")(), size).decode())
            received = self._read(answer, int.from_bytes(self._read(length, 4), "little"))
            free(answer)
        finally:
            free(argument)
            free(length)
        if response is not None:
            response.ParseFromString(received)

    def _export(self, name: str) -> Callable[..., int]:
        function = self._exports[name]
        return lambda *arguments: function(self._store, *arguments)

    def _address(self, pointer: int) -> int:
        return ctypes.addressof(self._exports["memory"].data_ptr().contents) + pointer

    def _read(self, pointer: int, size: int) -> bytes:
        return ctypes.string_at(self._address(pointer), size)


# Literals and comments come first, so that nothing in them is taken for a word.
_WORDS = re.compile(
    r"""'''.*?'''|\"{3}.*?\"{3}|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|/\*.*?\*/|--[^\n]*|\bbigint\b""", re.S
)


def for_the_evaluator(sql: str) -> str:
    """What ZetaSQL spells in one way only: int64 has no other name, a path in backticks is one name."""
    sql = re.sub(r"`([\w-]+)`\.`?([\w-]+)`?\.`?(\w+)`?", r"`\1.\2.\3`", sql)
    return _WORDS.sub(lambda word: "int64" if word[0] == "bigint" else word[0], sql)
