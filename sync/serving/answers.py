"""Answers, put together from the JSON that Redis holds: values are moved as they stand, not read."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from operator import add, attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec

from sync.instants import to_text
from sync.online.layout import EVENT
from sync.serving.found import Found, Values
from sync.serving.plan import NULL, Column, Plan, encode

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
    "INVALID": b'"INVALID"',
}
_NO_EVENT = b'"1970-01-01T00:00:00Z"'
_event_of: Any = itemgetter(EVENT)
_is_complete = attrgetter("complete")
# From here on, in the year 2242, seconds with a fraction are no longer exact as floats.
_INEXACT = b"%d" % (2**33 * 10**6)
_instants = msgspec.json.Decoder(list[datetime], strict=False).decode


def event_texts(events: Sequence[bytes]) -> bytes:
    """Texts of instants as they are stored, with commas between them: read as seconds, all at once."""
    if not events:
        return b""
    if max(events) < _INEXACT:
        with suppress(msgspec.DecodeError):  # Before 2001: a number does not begin with 0.
            return encode(_instants(b"[%be-6]" % b"e-6,".join(events)))[1:-1]
    return b",".join([encode(to_text(int(event))) for event in events])


def _ordered(plan: Plan, found: Sequence[Found]) -> Iterable[Values]:
    """By entity, the values in the order asked."""
    rows: Iterable[Values] = found[0].values
    for view in found[1:]:
        rows = map(add, rows, view.values)
    return rows if plan.in_order is None else map(plan.in_order, rows)


def batch(items: Iterable[bytes]) -> bytes:
    """As Unity's JsonUtility reads it: lists, and a field of its own for each kind of value."""
    return b'{"features":[%b]}' % b",".join(items)


def batch_alike(plan: Plan, entities: Sequence[Any], found: Sequence[Found], with_events: bool) -> bytes:
    """Of entities that ask for the same."""
    if entities and not with_events and all(map(_is_complete, found)):
        return batch([BatchPieces.of(plan).filled(entities, _ordered(plan, found))])
    return batch(batch_items(plan, entities, found, with_events))


def batch_items(
    plan: Plan, entities: Sequence[Any], found: Sequence[Found], with_events: bool
) -> list[bytes]:
    pieces = BatchPieces.of(plan)
    return [
        pieces.filled((entity,), (values,))
        if not with_events and all(view.complete_at(index) for view in found)
        else pieces.one_by_one(found, index, entity, values, with_events)
        for index, (entity, values) in enumerate(zip(entities, _ordered(plan, found), strict=True))
    ]


class BatchPieces(NamedTuple):
    """`columns`: with what stands up to a value that is PRESENT, and all but the brace for any other status.

    `between`: what stands between the values of an entity that has all of them, and gaps for these, after a
    comma.
    """

    columns: list[tuple[Column, bytes, dict[str, bytes]]]
    between: list[bytes]

    @classmethod
    def of(cls, plan: Plan) -> "BatchPieces":
        kept: BatchPieces | None = plan.pieces.get("batch")
        if kept is not None:
            return kept
        columns = [(column, *_batch_pieces(column)) for column in plan.columns]
        between = [b',{"entityId":', b"", b',"features":[' + columns[0][1], b""]
        for _, present, _ in columns[1:]:
            between += [b"}," + present, b""]
        pieces = plan.pieces["batch"] = cls(columns, [*between, b"}]}"])
        return pieces

    def filled(self, entities: Sequence[Any], rows: Iterable[Values]) -> bytes:
        """Items of entities that have all values: the gaps of one kind lie a stride apart."""
        pieces: list[Any] = self.between * len(entities)
        stride = len(self.between)
        pieces[0] = pieces[0][1:]
        pieces[1::stride] = map(encode, entities)
        for gap, values in enumerate(zip(*rows, strict=True)):
            pieces[3 + 2 * gap :: stride] = values
        return b"".join(pieces)

    def one_by_one(
        self, found: Sequence[Found], index: int, entity: Any, values: Values, with_events: bool
    ) -> bytes:
        items = []
        for (column, present, other), value in zip(self.columns, values, strict=True):
            view = found[column.view]
            item = self._item(view, index, present, other, value)
            if with_events and (event := view.event(index)) is not None:
                item += b',"eventTimestamp":' + event_texts([event])
            items.append(item)
        return b'{"entityId":%b,"features":[%b}]}' % (encode(entity), b"},".join(items))

    @staticmethod
    def _item(view: Found, index: int, present: bytes, other: dict[str, bytes], value: Any) -> bytes:
        status = view.statuses[index]
        if status != "PRESENT":
            return other[status]
        text = bytes(value)
        return other["NULL"] if text == NULL else present + text


def batch_error(entity: Any, message: str) -> bytes:
    return b'{"entityId":%b,"error":%b,"features":[]}' % (encode(entity), encode(message))


def _batch_pieces(column: Column) -> tuple[bytes, dict[str, bytes]]:
    start = b'{"name":%b,"status":"%%b"' % encode(column.label).replace(b"%", b"%%")
    value = b',"%b":' % _SLOTS[column.feature.type]
    default = value + column.default if column.default != NULL else b""
    other = {"NULL": start % b"NULL"}
    for status in (b"NOT_FOUND", b"OUTSIDE_MAX_AGE"):
        other[status.decode()] = start % status + default
    return start % b"PRESENT" + value, other


def columns_head(names: Sequence[str]) -> bytes:
    return b'{"metadata":{"feature_names":%b},"results":[' % encode(names)


def columnar(plan: Plan, head: bytes, entities: dict[str, list[Any]], found: Sequence[Found]) -> bytes:
    """Feast's shape: a result per column, join keys first."""
    count = len(found[0].stored)
    present, no_events = _repeated(_FEAST_STATUSES["PRESENT"], count), _repeated(_NO_EVENT, count)
    of_keys = _after_values(present if found[0].complete else _key_statuses(found[0]), no_events)
    pieces: list[bytes] = []
    for name in plan.key_names:
        pieces += (encode(entities[name])[1:-1], of_keys)
    events = [_events(view) for view in found]
    of_complete = [_after_values(present, of_view) for of_view in events]
    rows = zip(*_ordered(plan, found), strict=True) if count else [()] * len(plan.columns)
    for column, values in zip(plan.columns, rows, strict=True):
        view = column.view
        if found[view].complete:
            pieces += (b",".join(values), of_complete[view])
        else:
            pieces += (b",".join(values), _after_values(_statuses(found[view], values), events[view]))
    pieces[-1] = pieces[-1].removesuffix(_NEXT)
    return b'%b{"values":[%b]}' % (head, b"".join(pieces))


# From a column to the next.
_NEXT = b',{"values":['


def _after_values(statuses: bytes, events: bytes) -> bytes:
    return b'],"statuses":[%b],"event_timestamps":[%b]}%b' % (statuses, events, _NEXT)


def _repeated(text: bytes, count: int) -> bytes:
    return ((text + b",") * count)[:-1]


def _events(view: Found) -> bytes:
    if view.complete:
        return event_texts(list(map(_event_of, view.stored)))
    events = list(map(view.event, range(len(view.stored))))
    texts = iter(event_texts([event for event in events if event]).split(b","))
    return b",".join([next(texts) if event else _NO_EVENT for event in events])


def _key_statuses(view: Found) -> bytes:
    invalid, key = _FEAST_STATUSES["INVALID"], _FEAST_STATUSES["PRESENT"]
    return b",".join([invalid if status == "INVALID" else key for status in view.statuses])


def _statuses(view: Found, values: Sequence[Any]) -> bytes:
    return b",".join(
        [
            _FEAST_STATUSES["NULL" if status == "PRESENT" and bytes(value) == NULL else status]
            for status, value in zip(view.statuses, values, strict=True)
        ]
    )


def singles(plan: Plan, entities: Sequence[dict[str, Any]], found: Sequence[Found]) -> list[bytes]:
    """Of each entity: `{"keys": {…}, "features": {label: {value, status, event_timestamp}}}`."""
    heads = plan.pieces.get("single")
    if heads is None:
        heads = plan.pieces["single"] = [b'%b:{"value":' % encode(column.label) for column in plan.columns]
    return [
        b'{"keys":%b,"features":{%b}}'
        % (encode(entity), b",".join(_single(plan, heads, found, index, values)))
        for index, (entity, values) in enumerate(zip(entities, _ordered(plan, found), strict=True))
    ]


def _single(
    plan: Plan, heads: Sequence[bytes], found: Sequence[Found], index: int, values: Values
) -> Iterable[bytes]:
    for column, head, value in zip(plan.columns, heads, values, strict=True):
        view = found[column.view]
        text, status, event = bytes(value), view.statuses[index], view.event(index)
        if status == "PRESENT" and text == NULL:
            status = "NULL"
        stamp = b"null" if event is None else event_texts([event])
        yield b'%b%b,"status":"%b","event_timestamp":%b}' % (head, text, status.encode(), stamp)
