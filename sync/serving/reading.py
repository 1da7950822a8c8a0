"""From a decoded request to a question for Redis, and from what was found to the bytes of the answer."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from sync.errors import FsyncError, did_you_mean
from sync.instants import parse_instant, to_text
from sync.serving import answers
from sync.serving.access import Consumer, Forbidden
from sync.serving.catalog import Catalog
from sync.serving.found import Found
from sync.serving.plan import Features, Plan, allowed_features, encode, plan_for
from sync.serving.reader import Lookup
from sync.serving.requests import BatchRequest, OnlineRequest, RowsRequest, SingleRequest


class Question(NamedTuple):
    """`as_of` None: now. `answer` is given what each lookup found."""

    lookups: list[Lookup]
    as_of: int | None
    answer: Callable[[list[Found]], bytes]


def batch(catalog: Catalog, consumer: Consumer, request: BatchRequest) -> Question:
    if request.are_alike():
        first = request.requests[0]
        plan = plan_for(catalog, consumer, first.asked, first.features)
        entities = [item.entityId for item in request.requests]
        fields = plan.plain_fields(entities)
        if fields is not None:
            return Question(
                _lookups(plan, fields),
                None,
                lambda found: answers.batch_alike(plan, entities, found, request.eventTimestamps),
            )
    return _batch_of_several(catalog, consumer, request)


def _batch_of_several(catalog: Catalog, consumer: Consumer, request: BatchRequest) -> Question:
    """Entities that ask for different features, or by keys that may be none."""
    places: dict[Any, list[int]] = {}
    plans: dict[Any, Plan] = {}
    rows: dict[Any, list[list[str]]] = {}
    items = [b""] * len(request.requests)
    for index, item in enumerate(request.requests):
        asked = item.asked
        if asked not in plans:
            plans[asked] = plan_for(catalog, consumer, asked, item.features)
            places[asked], rows[asked] = [], []
        plan = plans[asked]
        try:
            fields = plan.fields(plan.typed_entity(str(item.entityId)))
        except FsyncError as error:
            items[index] = answers.batch_error(item.entityId, str(error))
        else:
            rows[asked].append(fields)
            places[asked].append(index)

    def answer(found: list[Found]) -> bytes:
        each = iter(found)
        for asked, plan in plans.items():
            views = [next(each) for _ in plan.views]
            entities = [request.requests[index].entityId for index in places[asked]]
            told = answers.batch_items(plan, entities, views, request.eventTimestamps)
            for index, item in zip(places[asked], told, strict=True):
                items[index] = item
        return answers.batch(items)

    lookups = [
        lookup for asked, plan in plans.items() for lookup in _lookups(plan, _by_view(plan, rows[asked]))
    ]
    return Question(lookups, None, answer)


def columnar(catalog: Catalog, consumer: Consumer, request: OnlineRequest) -> Question:
    as_of = None if request.timestamp is None else parse_instant(request.timestamp, where="timestamp")
    plan = plan_for(catalog, consumer, request.asked, request.wanted)
    head = _columns_head(plan, request.full_feature_names)
    _check_columns(plan, list(request.entities))
    fields = plan.plain_fields(request.entities[plan.key_names[0]]) if request.count() else None
    # Where each entity stands among those that are read; -1 for one that is no key.
    places: list[int] | None = None
    if fields is None:
        places, rows = [], []
        for entity in request.rows():
            try:
                rows.append(plan.fields(entity))
            except FsyncError:
                places.append(-1)
            else:
                places.append(len(rows) - 1)
        fields = _by_view(plan, rows)

    def answer(found: list[Found]) -> bytes:
        if places is not None and -1 in places:
            found = [view.spread(of, places) for of, view in zip(plan.views, found, strict=True)]
        return answers.columnar(plan, head, request.entities, found)

    return Question(_lookups(plan, fields), as_of, answer)


def rows(catalog: Catalog, consumer: Consumer, request: RowsRequest) -> Question:
    as_of = parse_instant(request.as_of)
    plan = _plan(catalog, consumer, request.wanted())
    entities = [plan.entity(key) for key in request.keys]
    fields = _by_view(plan, [plan.fields(entity) for entity in entities])

    def answer(found: list[Found]) -> bytes:
        told = answers.singles(plan, entities, found)
        return b'{"as_of":%b,"rows":[%b]}' % (encode(to_text(as_of)), b",".join(told))

    return Question(_lookups(plan, fields), as_of, answer)


def single(catalog: Catalog, consumer: Consumer, request: SingleRequest) -> Question:
    plan = _plan(catalog, consumer, request.name)
    entity = plan.typed_entity(request.key)
    lookups = _lookups(plan, _by_view(plan, [plan.fields(entity)]))
    return Question(lookups, None, lambda found: answers.singles(plan, [entity], found)[0])


def _plan(catalog: Catalog, consumer: Consumer, features: Features) -> Plan:
    return plan_for(catalog, consumer, features, lambda: features)


def _by_view(plan: Plan, rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    return list(zip(*rows, strict=True)) if rows else [[] for _ in plan.views]


def _lookups(plan: Plan, fields: Sequence[Sequence[str]]) -> list[Lookup]:
    return list(zip(plan.views, fields, strict=True))


def services(catalog: Catalog, consumer: Consumer) -> bytes:
    """What the consumer may read: its own service, or all."""
    names = sorted(catalog.services) if consumer.service is None else [consumer.service]
    listed = []
    for name in names:
        references = catalog.services.get(name, [])
        try:
            if consumer.service is not None:
                allowed_features(catalog, consumer)
            plan = _plan(catalog, consumer._replace(pii=True), name)
            keys: Any = [{"name": key.name, "type": key.type} for key in plan.join_keys]
            listed.append({"name": name, "features": references, "join_keys": keys, "error": None})
        except Forbidden:
            raise
        except FsyncError as error:
            listed.append({"name": name, "features": references, "join_keys": [], "error": str(error)})
    return msgspec.json.encode({"services": listed})


def _columns_head(plan: Plan, full: bool) -> bytes:
    """The names of the columns, Feast's: the feature's own, or `view__feature`."""
    kept = "full head" if full else "head"
    if kept not in plan.pieces:
        if full:
            names = [column.label.replace(":", "__", 1) for column in plan.columns]
        else:
            names = [column.feature.name for column in plan.columns]
        taken = [*plan.key_names, *names]
        if len(set(taken)) != len(taken):
            twice = next(name for name in taken if taken.count(name) > 1)
            raise FsyncError(f"two columns of the answer would be called '{twice}'; set full_feature_names")
        plan.pieces[kept] = answers.columns_head(taken)
    head: bytes = plan.pieces[kept]
    return head


def _check_columns(plan: Plan, given: list[str]) -> None:
    needed = plan.key_names
    if given == needed:
        return
    for name in given:
        if name not in needed:
            raise FsyncError(
                f"entities has a column '{name}' that is no join key{did_you_mean(name, needed)}"
            )
    missing = [name for name in needed if name not in given]
    if missing:
        raise FsyncError(f"entities needs a column {missing[0]}; the join keys are {', '.join(needed)}")
