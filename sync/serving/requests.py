"""What a body may say. Decoding is validation."""

from typing import Annotated, Any, NamedTuple

import msgspec

from sync.errors import FsyncError
from sync.online.resolve import UnknownName

# A list of strings or null, read once for all that ask alike.
Names = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        extra_json_schema={"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
    ),
]
NO_NAMES = msgspec.Raw(b"null")


class TooMany(FsyncError):
    """More entities than one request may ask for."""


class FeatureRequest(msgspec.Struct, frozen=True, gc=False):
    """One entity of a game's batch. Unity writes "" and [] for what is not set."""

    entityId: str | int
    featureNames: Names = msgspec.field(default_factory=lambda: NO_NAMES)
    service: str | None = None
    # The game's own clock (Unity's Time.time), of no meaning here.
    requestTime: float | str | None = None

    @property
    def asked(self) -> "str | bytes":
        """The same for items that ask alike."""
        return self.service or bytes(self.featureNames)

    def features(self) -> "str | tuple[str, ...]":
        return self.service or tuple(_decoded(_names_asked, self.featureNames) or ())


class BatchRequest(msgspec.Struct, frozen=True):
    requests: list[FeatureRequest]
    eventTimestamps: bool = False

    def are_alike(self) -> bool:
        """Whether all items ask for the same."""
        items = self.requests
        services = [item.service for item in items]
        names = [item.featureNames for item in items]
        return bool(items) and services.count(services[0]) == names.count(names[0]) == len(items)

    def names(self) -> set[str]:
        asked = {item.asked: item for item in self.requests}
        return {name for item in asked.values() for name in _names(item.features())}


class OnlineRequest(msgspec.Struct, frozen=True):
    """Feast's request, and `timestamp`: the instant that ages are judged at."""

    entities: dict[str, list[Any]]
    features: Names = msgspec.field(default_factory=lambda: NO_NAMES)
    feature_service: str | None = None
    full_feature_names: bool = False
    timestamp: str | None = None

    @property
    def asked(self) -> tuple[str | None, bytes]:
        return self.feature_service, bytes(self.features)

    def wanted(self) -> "str | tuple[str, ...]":
        features = tuple(_decoded(_names_asked, self.features) or ())
        if features and self.feature_service:
            raise FsyncError("give features or feature_service, not both")
        return self.feature_service or features

    def names(self) -> set[str]:
        return _names(self.wanted())

    def count(self) -> int:
        lengths = list(map(len, self.entities.values()))
        if lengths.count(lengths[0] if lengths else 0) != len(lengths):
            named = dict(zip(self.entities, lengths, strict=True))
            raise FsyncError(f"the columns of entities differ in length: {named}")
        return lengths[0] if lengths else 0

    def rows(self) -> list[dict[str, Any]]:
        names = list(self.entities)
        return [dict(zip(names, row, strict=True)) for row in zip(*self.entities.values(), strict=True)]


class RowsRequest(msgspec.Struct, frozen=True):
    """The Python client's. A key is a value, a list of the join keys' values, or a mapping by name."""

    features: str | list[str]
    keys: list[Any]
    as_of: str | None = None

    def wanted(self) -> "str | tuple[str, ...]":
        if isinstance(self.features, str):
            return (self.features,) if ":" in self.features else self.features
        return tuple(self.features)

    def names(self) -> set[str]:
        return _names(self.wanted())


class SingleRequest(NamedTuple):
    """Of a path: the features of a view or service, and one entity's key as text."""

    name: str
    key: str

    def names(self) -> set[str]:
        return {self.name}


def _names(features: "str | tuple[str, ...]") -> set[str]:
    return {features} if isinstance(features, str) else set(features)


_names_asked = msgspec.json.Decoder(list[str] | None)
_batch = msgspec.json.Decoder(BatchRequest)
_online = msgspec.json.Decoder(OnlineRequest)
_rows = msgspec.json.Decoder(RowsRequest)


def decode_batch(body: bytes, most: int) -> BatchRequest:
    request: BatchRequest = _decoded(_batch, body)
    _limit(len(request.requests), most)
    return request


def decode_online(body: bytes, most: int) -> OnlineRequest:
    request: OnlineRequest = _decoded(_online, body)
    _limit(max(map(len, request.entities.values()), default=0), most)
    return request


def decode_rows(body: bytes, most: int) -> RowsRequest:
    request: RowsRequest = _decoded(_rows, body)
    _limit(len(request.keys), most)
    return request


def decode_single(path: str) -> SingleRequest:
    name, slash, key = path.removeprefix("/features/").partition("/")
    if not name or not slash or not key:
        raise UnknownName("write /features/VIEW/KEY")
    return SingleRequest(name, key)


def _decoded(decoder: Any, body: "bytes | msgspec.Raw") -> Any:
    try:
        return decoder.decode(body)
    # A validation error tells the path; a UnicodeDecodeError is no DecodeError.
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise FsyncError(f"the body is not what this route reads: {error}") from None


def _limit(count: int, most: int) -> None:
    if count > most:
        raise TooMany(f"{count} entities in one request; at most {most}, send several requests")
