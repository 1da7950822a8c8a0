"""From names to what must be read: the one rule for references, services and keys."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sync.errors import FsyncError, did_you_mean
from sync.online.layout import ViewMeta
from sync.registry.references import ViewReference, parse_feature, parse_view
from sync.registry.views import Feature, JoinKey


class UnknownName(FsyncError):
    """A view, service or feature that is not in Redis."""


class Wanted(NamedTuple):
    """A view, and the features asked of it: each with the name that it was asked by."""

    meta: ViewMeta
    features: list[tuple[str, Feature]]


class Resolver(NamedTuple):
    """`known`: view -> the version a bare name stands for. `services` and `meta` are called when needed."""

    project: str
    known: Mapping[str, str]
    services: Callable[[], Mapping[str, Sequence[str]]]
    meta: Callable[[str], ViewMeta | None]

    def resolve(self, features: "str | Sequence[str]") -> list[Wanted]:
        """`features`: a view, a service, a reference or a list of references."""
        if not isinstance(features, str):
            return self.references(features)
        return self.references([features]) if ":" in features else self.name(features)

    def name(self, name: str) -> list[Wanted]:
        reference = parse_view(name)
        if reference.version is not None or reference.view in self.known:
            meta = self.view(reference)
            return [Wanted(meta, [(f"{name}:{feature.name}", feature) for feature in meta.features])]
        services = self.services()
        if name in services:
            return self.references(services[name])
        raise self._never_synced(name, [*self.known, *services])

    def references(self, references: Sequence[str]) -> list[Wanted]:
        wanted: dict[ViewReference, Wanted] = {}
        for text in references:
            reference = parse_feature(text)
            view = wanted.get(reference.view)
            if view is None:
                view = wanted[reference.view] = Wanted(self.view(reference.view), [])
            by_name = {feature.name: feature for feature in view.meta.features}
            if reference.feature not in by_name:
                raise UnknownName(
                    f"feature view {view.meta.reference} has no feature '{reference.feature}' in Redis"
                    f"{did_you_mean(reference.feature, by_name)}; if it is new, run `fsync online`"
                )
            view.features.append((text, by_name[reference.feature]))
        return list(wanted.values())

    def view(self, reference: ViewReference) -> ViewMeta:
        if reference.version is None and reference.view not in self.known:
            raise self._never_synced(reference.view, self.known)
        version = self.known[reference.view] if reference.version is None else reference.version
        resolved = str(ViewReference(reference.view, version or None))
        meta = self.meta(resolved)
        if meta is None:
            raise self._never_synced(resolved, self.known)
        return meta

    def _never_synced(self, name: str, known: Iterable[str]) -> FsyncError:
        names = list(known)
        near = did_you_mean(name.partition("@")[0], names) if name.partition("@")[0] not in names else ""
        return UnknownName(
            f"'{name}' of project {self.project} is not in Redis{near}; run `fsync online` to put it there"
        )


def union_of_keys(wanted: Sequence[Wanted]) -> tuple[JoinKey, ...]:
    keys: dict[str, JoinKey] = {}
    for view in wanted:
        for key in view.meta.join_keys:
            if keys.setdefault(key.name, key).type != key.type:
                raise FsyncError(
                    f"join key {key.name} is {keys[key.name].type} in one view and {key.type} in "
                    f"{view.meta.reference}; ask for them one by one"
                )
    return tuple(keys.values())


def key_by_name(join_keys: tuple[JoinKey, ...], key: Any) -> dict[str, Any]:
    names = [part.name for part in join_keys]
    if isinstance(key, dict):
        unknown = [name for name in key if name not in names]
        missing = [name for name in names if name not in key]
        if unknown or missing:
            raise FsyncError(f"a key needs {', '.join(names)}; got {', '.join(map(str, key)) or 'nothing'}")
        return {name: key[name] for name in names}
    parts = list(key) if isinstance(key, (tuple, list)) else [key]
    if len(parts) != len(names):
        raise FsyncError(
            f"key {key!r} has {len(parts)} part{'s' if len(parts) != 1 else ''}, "
            f"but {len(names)} {'are' if len(names) != 1 else 'is'} needed: {', '.join(names)}"
        )
    return dict(zip(names, parts, strict=True))
