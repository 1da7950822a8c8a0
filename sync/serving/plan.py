"""What a request asks for, worked out once per catalog and kept: names, keys and decoders."""

from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from types import GenericAlias
from typing import Any, NamedTuple

import msgspec

from sync.errors import FsyncError, did_you_mean
from sync.online import layout
from sync.online.entity_key import entity_key, split_entity_key, typed_key
from sync.online.layout import ViewMeta
from sync.online.resolve import UnknownName, Wanted, key_by_name, union_of_keys
from sync.registry.views import Feature, JoinKey
from sync.serving.access import Consumer, Forbidden
from sync.serving.catalog import Catalog
from sync.serving.redis_pipe import pack

LONGEST_KEY = 1024
# Of one catalog. Beyond it all are forgotten: they cost little to make again.
PLANS = 1000
NULL = b"null"
encode = msgspec.json.Encoder().encode
# A view or service as a whole, or references.
Features = str | tuple[str, ...]


class ViewPlan(NamedTuple):
    """`wanted`: what answers `check` while the view is defined as it was when this plan was made.

    `rows`: the key of each shard. `decode` reads a row into the texts of its values, `decode_all` a list of
    them. `defaults`: what stands for a row that is not served.
    """

    meta: ViewMeta
    rows: tuple[bytes, ...]
    check: bytes
    wanted: bytes
    decode: Any
    decode_all: Any
    defaults: tuple[msgspec.Raw, ...]


class Column(NamedTuple):
    """A feature in the order asked. `view` and `slot` say where its value stands among what was found."""

    label: str
    feature: Feature
    default: bytes
    view: int
    slot: int


class Plan(NamedTuple):
    """`in_order` takes an entity's values, view after view, and gives them in the order of the columns.

    `has_plain_key`: the key is one string, which is the field as it stands.
    """

    views: list[ViewPlan]
    columns: list[Column]
    join_keys: tuple[JoinKey, ...]
    key_names: list[str]
    has_plain_key: bool
    in_order: Callable[[tuple[msgspec.Raw, ...]], tuple[msgspec.Raw, ...]] | None
    pieces: dict[str, Any]

    def entity(self, key: Any) -> dict[str, Any]:
        return key_by_name(self.join_keys, key)

    def typed_entity(self, text: str) -> dict[str, Any]:
        """Of `p1`, or `p1,casual`."""
        parts = [text] if len(self.join_keys) == 1 else split_entity_key(text)
        if len(parts) == len(self.join_keys):
            parts = [typed_key(key, part) for key, part in zip(self.join_keys, parts, strict=True)]
        return key_by_name(self.join_keys, parts)

    def plain_fields(self, texts: Sequence[Any]) -> list[Sequence[str]] | None:
        """By view, where the keys are their own fields; None where each must be looked at."""
        try:
            length = len("".join(texts)) if self.has_plain_key else 0
        except TypeError:  # One is no text.
            return None
        if not length or (length > LONGEST_KEY and max(map(len, texts)) > LONGEST_KEY):
            return None
        return [texts] * len(self.views)

    def fields(self, entity: dict[str, Any]) -> list[str]:
        """The entity's field in the hash of each view. Raises FsyncError for what is no key."""
        fields = []
        for view in self.views:
            keys = view.meta.join_keys
            try:
                text = entity_key(keys, [entity[key.name] for key in keys])
            except (ValueError, OverflowError):
                raise FsyncError(f"{', '.join(key.name for key in keys)}: a value out of bounds") from None
            if len(text) > LONGEST_KEY:
                raise FsyncError(f"the entity's key is longer than {LONGEST_KEY} characters")
            fields.append(text)
        return fields


def plan_for(catalog: Catalog, consumer: Consumer, asked: Hashable, features: Callable[[], Features]) -> Plan:
    """`asked` spells the features as the request does, which is quicker to look up than to read.

    Raises UnknownName, Forbidden, or FsyncError for a name that is none.
    """
    kept = (consumer, asked)
    plan: Plan | None = catalog.plans.get(kept)
    if plan is None:
        plan = _plan(catalog, consumer, features())
        if len(catalog.plans) >= PLANS:
            catalog.plans.clear()
        catalog.plans[kept] = plan
    return plan


def _plan(catalog: Catalog, consumer: Consumer, features: Features) -> Plan:
    if isinstance(features, str):
        wanted = _whole(catalog, consumer, features)
    else:
        if not features:
            raise FsyncError("no feature is asked for; name some, or a feature service")
        if len(set(features)) != len(features):
            twice = next(name for name in features if features.count(name) > 1)
            raise FsyncError(f"{twice} is asked for twice")
        wanted = _listed(catalog, consumer, features)
    views = [_view_plan(catalog.project, view) for view in wanted]
    columns = {
        label: Column(label, feature, encode(feature.default), index, view.meta.features.index(feature))
        for index, (view, (_, asked)) in enumerate(zip(views, wanted, strict=True))
        for label, feature in asked
    }
    order = list(columns) if isinstance(features, str) else list(features)
    join_keys = union_of_keys(wanted)
    plain = len(join_keys) == 1 and join_keys[0].type == "string"
    ordered = [columns[label] for label in order]
    key_names = [key.name for key in join_keys]
    return Plan(views, ordered, join_keys, key_names, plain, _in_order(views, ordered), {})


def _in_order(views: Sequence[ViewPlan], columns: Sequence[Column]) -> Any:
    starts = [0]
    for view in views:
        starts.append(starts[-1] + len(view.defaults))
    places = [starts[column.view] + column.slot for column in columns]
    if places == list(range(starts[-1])):
        return None
    if len(places) == 1:
        return itemgetter(slice(places[0], places[0] + 1))
    return itemgetter(*places)


def _whole(catalog: Catalog, consumer: Consumer, name: str) -> list[Wanted]:
    """A service, whole or refused; of a view, what the consumer may read."""
    if consumer.service is None:
        wanted = catalog.resolver.name(name)
        if name in catalog.services and name not in catalog.known:
            return _checked(wanted, None, consumer)
        readable = _readable(wanted, None, consumer)
        if not readable:
            raise Forbidden(f"all of '{name}' is personal data, and reading it was not granted")
        return readable
    allowed = allowed_features(catalog, consumer)
    if name == consumer.service:
        return _checked(catalog.resolver.references(catalog.services[name]), allowed, consumer)
    # Whether another name exists is not told either.
    if name in catalog.services and name not in catalog.known:
        raise Forbidden(f"this token reads service {consumer.service}, not '{name}'")
    try:
        wanted = catalog.resolver.name(name)
    except UnknownName:
        raise Forbidden(f"this token reads service {consumer.service}, not '{name}'") from None
    wanted = _readable(wanted, allowed, consumer)
    if not wanted:
        raise Forbidden(f"this token reads service {consumer.service}, not '{name}'")
    return wanted


def _listed(catalog: Catalog, consumer: Consumer, labels: Sequence[str]) -> list[Wanted]:
    allowed = None if consumer.service is None else allowed_features(catalog, consumer)
    references = {_reference(catalog, consumer, label): label for label in labels}
    if len(references) != len(labels):
        raise FsyncError("a feature is asked for twice, by two names")
    try:
        wanted = catalog.resolver.references(list(references))
    except UnknownName:
        if consumer.service is None:
            raise
        own = catalog.services.get(consumer.service, [])
        unknown = [label for reference, label in references.items() if reference not in own]
        near = did_you_mean(unknown[0], own) if unknown else ""
        raise Forbidden(f"not every feature asked for is of service {consumer.service}{near}") from None
    wanted = _checked(wanted, allowed, consumer)
    return [
        Wanted(view.meta, [(references[reference], feature) for reference, feature in view.features])
        for view in wanted
    ]


def _reference(catalog: Catalog, consumer: Consumer, label: str) -> str:
    """A game client may leave the view out where only one has a feature of this name."""
    if ":" in label:
        return label
    if consumer.service is not None:
        candidates = list(catalog.services.get(consumer.service, []))
    else:
        latest = [
            catalog.metas.get(f"{name}@{version}" if version else name)
            for name, version in catalog.known.items()
        ]
        candidates = [f"{meta.view}:{feature.name}" for meta in latest if meta for feature in meta.features]
    found = [text for text in candidates if text.partition(":")[2] == label]
    if len(found) == 1:
        return found[0]
    if found:
        raise FsyncError(f"'{label}' is a feature of several views; write one of {', '.join(sorted(found))}")
    near = did_you_mean(label, [text.partition(":")[2] for text in candidates])
    if consumer.service is not None:
        raise Forbidden(f"service {consumer.service} has no feature '{label}'{near}")
    raise UnknownName(f"there is no feature '{label}' in Redis{near}")


def allowed_features(catalog: Catalog, consumer: Consumer) -> frozenset[tuple[str, str]]:
    """View with version, and feature: what the consumer's service is made of in this catalog."""
    references = catalog.services.get(consumer.service or "")
    if references is None:
        raise Forbidden(f"service {consumer.service} of this token is not in Redis (any more)")
    kept = ("allowed", consumer)
    if kept not in catalog.plans:
        wanted = catalog.resolver.references(references)
        catalog.plans[kept] = frozenset(
            (view.meta.reference, feature.name) for view in wanted for _, feature in view.features
        )
    allowed: frozenset[tuple[str, str]] = catalog.plans[kept]
    return allowed


def _readable(
    wanted: list[Wanted], allowed: frozenset[tuple[str, str]] | None, consumer: Consumer
) -> list[Wanted]:
    readable = []
    for view in wanted:
        features = [
            (label, feature)
            for label, feature in view.features
            if (allowed is None or (view.meta.reference, feature.name) in allowed)
            and (consumer.pii or not feature.pii)
        ]
        if features:
            readable.append(Wanted(view.meta, features))
    return readable


def _checked(
    wanted: list[Wanted], allowed: frozenset[tuple[str, str]] | None, consumer: Consumer
) -> list[Wanted]:
    for view in wanted:
        for label, feature in view.features:
            if allowed is not None and (view.meta.reference, feature.name) not in allowed:
                raise Forbidden(f"'{label}' is not of service {consumer.service}")
            if feature.pii and not consumer.pii:
                raise Forbidden(f"'{label}' is personal data, and reading it was not granted")
    return wanted


def _view_plan(project: str, view: Wanted) -> ViewPlan:
    meta = view.meta
    shards = layout.shard_keys(project, meta.reference, meta.shards, meta.fingerprint)
    row: Any = GenericAlias(tuple, (msgspec.Raw,) * len(meta.features))
    return ViewPlan(
        meta=meta,
        rows=tuple(shard.rows.encode() for shard in shards),
        check=pack("HGET", shards[0].meta, "definition"),
        wanted=meta.definition.encode(),
        decode=msgspec.json.Decoder(row).decode,
        decode_all=msgspec.json.Decoder(list[row]).decode,
        defaults=tuple(msgspec.Raw(encode(feature.default)) for feature in meta.features),
    )
