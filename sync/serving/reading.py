"""From a decoded request to the bytes of its answer: resolve, fetch, put together."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from sync.errors import FsyncError, did_you_mean
from sync.instants import now, parse_instant, to_text
from sync.online.read import ATTEMPTS
from sync.online.resolve import UnknownName
from sync.serving import answers
from sync.serving.access import Consumer, Forbidden
from sync.serving.catalog import Catalog, CatalogKeeper
from sync.serving.fetch import Part, PlanOutdated, Row, fetch
from sync.serving.metrics import Metrics
from sync.serving.plan import Plan, allowed_features, plan_for
from sync.serving.redis_pipe import RedisDown, RedisPipe
from sync.serving.requests import BatchRequest, OnlineRequest, RowsRequest

Build = Callable[[Catalog], Awaitable[bytes]]


class Reading(NamedTuple):
    redis: RedisPipe
    keeper: CatalogKeeper
    metrics: Metrics

    async def batch(self, catalog: Catalog, consumer: Consumer, request: BatchRequest) -> bytes:
        return await self._while_true(catalog, request.names, lambda c: self._batch(c, consumer, request))

    async def columnar(self, catalog: Catalog, consumer: Consumer, request: OnlineRequest) -> bytes:
        return await self._while_true(
            catalog, request.names, lambda now: self._columnar(now, consumer, request)
        )

    async def rows(self, catalog: Catalog, consumer: Consumer, request: RowsRequest) -> bytes:
        return await self._while_true(catalog, request.names, lambda c: self._rows(c, consumer, request))

    async def single(self, catalog: Catalog, consumer: Consumer, name: str, key: str) -> bytes:
        return await self._while_true(catalog, lambda: {name}, lambda c: self._single(c, consumer, name, key))

    async def _while_true(self, catalog: Catalog, names: Callable[[], set[str]], build: Build) -> bytes:
        """The answer of one catalog: when it proves older than what is read, all is done again."""
        for _ in range(ATTEMPTS):
            try:
                return await build(catalog)
            except PlanOutdated:
                catalog = await self.keeper.reload()
            except UnknownName:
                newer = await self.keeper.look_again(catalog, names())
                if newer is catalog:
                    raise
                catalog = newer
        raise RedisDown("the views asked for are being synced over and over; try again", "outdated")

    async def _batch(self, catalog: Catalog, consumer: Consumer, request: BatchRequest) -> bytes:
        parts: dict[Any, tuple[Part, list[int]]] = {}
        requests, items = request.requests, [b""] * len(request.requests)
        for index, item in enumerate(requests):
            entity, asked = item.entityId, item.service or bytes(item.featureNames)
            if asked not in parts:
                parts[asked] = Part(plan_for(catalog, consumer, item.features), []), []
            part, places = parts[asked]
            try:
                fields = part.plan.fields_of_text(entity if type(entity) is str else str(entity))
            except FsyncError as error:
                items[index] = answers.batch_error(entity, str(error))
            else:
                part.fields.append(fields)
                places.append(index)
        fetched = await self._fetch("/batch-features", [part for part, _ in parts.values()], now())
        for (part, places), found in zip(parts.values(), fetched, strict=True):
            entities = [requests[index].entityId for index in places]
            told = answers.batch_items(part.plan, entities, found, request.eventTimestamps)
            if len(told) == len(items):
                items = told
            else:
                for index, item_told in zip(places, told, strict=True):
                    items[index] = item_told
        return answers.batch(items)

    async def _columnar(self, catalog: Catalog, consumer: Consumer, request: OnlineRequest) -> bytes:
        as_of = parse_instant(request.timestamp, where="timestamp")
        plan = plan_for(catalog, consumer, request.wanted)
        names = _column_names(plan, request.full_feature_names)
        _check_columns(plan, list(request.entities))
        part, places = Part(plan, []), []
        entities = request.rows()
        for entity in entities:
            try:
                fields = plan.fields(entity)
            except FsyncError:
                places.append(-1)
                continue
            places.append(len(part.fields))
            part.fields.append(fields)
        (found,) = await self._fetch("/get-online-features", [part], as_of)
        rows = [None if place < 0 else found[place] for place in places]
        return answers.columnar(plan, names, entities, rows)

    async def _rows(self, catalog: Catalog, consumer: Consumer, request: RowsRequest) -> bytes:
        as_of = parse_instant(request.as_of)
        plan = plan_for(catalog, consumer, request.wanted)
        entities = [plan.entity(key) for key in request.keys]
        part = Part(plan, [plan.fields(entity) for entity in entities])
        (found,) = await self._fetch("/online-features", [part], as_of)
        rows = [answers.single(plan, entity, row) for entity, row in zip(entities, found, strict=True)]
        return b'{"as_of":%b,"rows":[%b]}' % (answers.encode(to_text(as_of)), b",".join(rows))

    async def _single(self, catalog: Catalog, consumer: Consumer, name: str, key: str) -> bytes:
        plan = plan_for(catalog, consumer, name)
        entity = plan.typed_entity(key)
        ((rows,),) = await self._fetch("/features", [Part(plan, [plan.fields(entity)])], now())
        return answers.single(plan, entity, rows)

    async def _fetch(self, route: str, parts: list[Part], as_of: int) -> list[list[tuple[Row, ...]]]:
        """By part and entity: a row of each view."""
        started = time.perf_counter()
        fetched = await fetch(self.redis, parts, as_of)
        seconds = time.perf_counter() - started
        for part, views in zip(parts, fetched, strict=True):
            for view, rows in zip(part.plan.views, views, strict=True):
                self.metrics.read(route, view.meta.reference, seconds, rows)
        return [list(zip(*views, strict=True)) for views in fetched]


def services(catalog: Catalog, consumer: Consumer) -> bytes:
    """What the consumer may read: its own service, or all."""
    names = sorted(catalog.services) if consumer.service is None else [consumer.service]
    listed = []
    for name in names:
        references = catalog.services.get(name, [])
        try:
            if consumer.service is not None:
                allowed_features(catalog, consumer)
            plan = plan_for(catalog, consumer._replace(pii=True), name)
            keys: Any = [{"name": key.name, "type": key.type} for key in plan.join_keys]
            listed.append({"name": name, "features": references, "join_keys": keys, "error": None})
        except Forbidden:
            raise
        except FsyncError as error:
            listed.append({"name": name, "features": references, "join_keys": [], "error": str(error)})
    return msgspec.json.encode({"services": listed})


def _column_names(plan: Plan, full: bool) -> list[str]:
    """Feast's: the feature's own name, or `view__feature`."""
    if full:
        names = [column.label.replace(":", "__", 1) for column in plan.columns]
    else:
        names = [column.feature.name for column in plan.columns]
    taken = [*plan.key_names, *names]
    if len(set(taken)) != len(taken):
        twice = next(name for name in taken if taken.count(name) > 1)
        raise FsyncError(f"two columns of the answer would be called '{twice}'; set full_feature_names")
    return names


def _check_columns(plan: Plan, given: list[str]) -> None:
    needed = plan.key_names
    for name in given:
        if name not in needed:
            raise FsyncError(
                f"entities has a column '{name}' that is no join key{did_you_mean(name, needed)}"
            )
    missing = [name for name in needed if name not in given]
    if missing:
        raise FsyncError(f"entities needs a column {missing[0]}; the join keys are {', '.join(needed)}")
