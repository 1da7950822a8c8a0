"""Answers, put together from the JSON that Redis holds: values are moved as they stand, not read."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from sync.serving.fetch import Row, event_text
from sync.serving.plan import NULL, Column, Plan

_SLOTS = {
    "integer": b"number",
    "float": b"number",
    "decimal": b"number",
    "boolean": b"flag",
    "string": b"text",
    "date": b"text",
    "timestamp": b"text",
}
_FEAST_STATUSES = {
    "PRESENT": b'"PRESENT"',
    "NULL": b'"NULL_VALUE"',
    "NOT_FOUND": b'"NOT_FOUND"',
    "OUTSIDE_MAX_AGE": b'"OUTSIDE_MAX_AGE"',
}


encode = msgspec.json.Encoder().encode


def value_and_status(column: Column, rows: Sequence[Row]) -> tuple[bytes, str]:
    row = rows[column.view]
    if row.status != "PRESENT":
        return column.default, row.status
    value = bytes(row.values[column.slot])
    return value, "NULL" if value == NULL else "PRESENT"


def batch_items(
    plan: Plan, entities: Sequence[Any], rows: Sequence[Sequence[Row]], with_events: bool
) -> list[bytes]:
    """As Unity's JsonUtility reads it: a list, and a field of its own for each kind of value."""
    pieces = plan.pieces.get("batch")
    if pieces is None:
        pieces = plan.pieces["batch"] = BatchPieces.of(plan)
    between = [] if with_events else pieces.filled_in_order
    items = []
    for entity, own in zip(entities, rows, strict=True):
        if between and own[0].values and not own[0].has_null:
            filled = between[:]
            filled[1] = encode(entity)
            filled[3:-1:2] = own[0].values
            items.append(b"".join(filled))
        else:
            items.append(_batch_item(pieces, entity, own, with_events))
    return items


def _batch_item(pieces: "BatchPieces", entity: Any, rows: Sequence[Row], with_events: bool) -> bytes:
    items = []
    for column, present, other in pieces.columns:
        row = rows[column.view]
        if row.status == "PRESENT":
            value = bytes(row.values[column.slot])
            item = other["NULL"] if value == NULL else present + value
        else:
            item = other[row.status]
        if with_events and row.event is not None:
            item += b',"eventTimestamp":' + event_text(row.event)
        items.append(item)
    return b'{"entityId":%b,"features":[%b}]}' % (encode(entity), b"},".join(items))


class BatchPieces(NamedTuple):
    """`columns`: with what stands up to a value that is PRESENT; and all but the brace for any other status.

    `filled_in_order`: where a row's values come in the order asked, all that stands between them.
    """

    columns: list[tuple[Column, bytes, dict[str, bytes]]]
    filled_in_order: list[Any]

    @classmethod
    def of(cls, plan: Plan) -> "BatchPieces":
        columns = [(column, *_batch_pieces(column)) for column in plan.columns]
        order = [(column.view, column.slot) for column in plan.columns]
        if order != [(0, slot) for slot in range(len(order))]:
            return cls(columns, [])
        filled: list[Any] = [b'{"entityId":', None, b',"features":[' + columns[0][1], None]
        for _, present, _ in columns[1:]:
            filled += [b"}," + present, None]
        return cls(columns, [*filled, b"}]}"])


def batch_error(entity: Any, message: str) -> bytes:
    return b'{"entityId":%b,"error":%b,"features":[]}' % (encode(entity), encode(message))


def batch(items: Sequence[bytes]) -> bytes:
    return b'{"features":[%b]}' % b",".join(items)


def _batch_pieces(column: Column) -> tuple[bytes, dict[str, bytes]]:
    start = b'{"name":%b,"status":"%%b"' % encode(column.label).replace(b"%", b"%%")
    value = b',"%b":' % _SLOTS[column.feature.type]
    default = value + column.default if column.default != NULL else b""
    other = {"NULL": start % b"NULL"}
    for status in (b"NOT_FOUND", b"OUTSIDE_MAX_AGE"):
        other[status.decode()] = start % status + default
    return start % b"PRESENT" + value, other


def columnar(
    plan: Plan, names: Sequence[str], entities: Sequence[dict[str, Any]], rows: Sequence[Sequence[Row] | None]
) -> bytes:
    """Feast's shape: a result per column, join keys first. `rows` by entity, None for one that is no key."""
    results = [
        _result(
            [encode(entity.get(name)) for entity in entities],
            [b'"PRESENT"' if row is not None else b'"INVALID"' for row in rows],
            [b'"1970-01-01T00:00:00Z"'] * len(entities),
        )
        for name in plan.key_names
    ]
    for column in plan.columns:
        values, statuses, events = [], [], []
        for row in rows:
            value, status = (NULL, "") if row is None else value_and_status(column, row)
            event = None if row is None else row[column.view].event
            values.append(value)
            statuses.append(_FEAST_STATUSES.get(status, b'"INVALID"'))
            events.append(b'"1970-01-01T00:00:00Z"' if event is None else event_text(event))
        results.append(_result(values, statuses, events))
    head = encode([*plan.key_names, *names])
    return b'{"metadata":{"feature_names":%b},"results":[%b]}' % (head, b",".join(results))


def _result(values: Sequence[bytes], statuses: Sequence[bytes], events: Sequence[bytes]) -> bytes:
    return b'{"values":[%b],"statuses":[%b],"event_timestamps":[%b]}' % (
        b",".join(values),
        b",".join(statuses),
        b",".join(events),
    )


def single(plan: Plan, entity: dict[str, Any], rows: Sequence[Row]) -> bytes:
    """Of one entity: `{"keys": {…}, "features": {label: {value, status, event_timestamp}}}`."""
    items = []
    for column in plan.columns:
        value, status = value_and_status(column, rows)
        event = event_text(rows[column.view].event)
        items.append(
            b'%b:{"value":%b,"status":"%b","event_timestamp":%b}'
            % (encode(column.label), value, status.encode(), event)
        )
    return b'{"keys":%b,"features":{%b}}' % (encode(entity), b",".join(items))
