"""What of a project's features changed between two states, whom it touches, and what is to be done."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from sync.changes.state import FeatureState, State, ViewState
from sync.errors import FsyncError
from sync.registry.durations import format_duration

Kind = Literal["added", "removed", "type", "computation"]


class Change(NamedTuple):
    """Of a view as a whole (`feature` is None), or of one feature."""

    kind: Kind
    view: str
    feature: str | None
    detail: str
    # The references of services that a reader would find broken or gone.
    breaks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.view if self.feature is None else f"{self.view}:{self.feature}"

    @property
    def breaking(self) -> bool:
        return bool(self.breaks)


class Plan(NamedTuple):
    changes: list[Change]
    # Models whose text changed and whose meaning did not.
    text_only: list[str]
    services: dict[str, list[str]]
    exposures: list[str]
    todo: list[str]

    @property
    def breaking(self) -> bool:
        return any(change.breaking for change in self.changes)

    @property
    def moves_values(self) -> bool:
        return any(change.kind != "added" for change in self.changes)


def make_plan(old: State | None, new: State) -> Plan:
    """Without an old state everything is new. Raises FsyncError where the two do not compare."""
    if old is None:
        old = State(new.project, new.method, {}, {}, {}, {})
    if old.method != new.method:
        raise FsyncError(
            "the state to compare with is of another warehouse, or another version of fsync or sqlglot; "
            "write it again, by `fsync online` or `fsync plan --save`, in the revision that it stands for"
        )
    if old.project != new.project:
        raise FsyncError(f"the state to compare with is of project {old.project}, and this is {new.project}")
    changes = [*_view_changes(old, new), *_service_changes(old, new)]
    text_only = sorted(
        model.selector
        for name, model in new.models.items()
        if name in old.models
        and old.models[name].text != model.text
        and old.models[name].computation == model.computation
    )
    touched = _services_touched(changes, old, new)
    return Plan(changes, text_only, touched, _exposures_touched(changes, old, new), _todo(old, new, changes))


def _view_changes(old: State, new: State) -> Iterator[Change]:
    for name in sorted({*old.views, *new.views}):
        if name not in old.views:
            yield Change("added", name, None, _count(new.views[name]))
        elif name not in new.views:
            readers = tuple(_readers(old, f"{name}:"))
            yield Change("removed", name, None, _count(old.views[name]), readers)
        else:
            yield from _changes_of(name, old, new)


def _changes_of(name: str, old: State, new: State) -> Iterator[Change]:
    before, after = old.views[name], new.views[name]
    if before.join_keys != after.join_keys:
        detail = f"join keys {_keys(before)} → {_keys(after)}"
        yield Change("type", name, None, detail, tuple(_readers(old, f"{name}:")))
    if before.ttl != after.ttl:
        yield Change("computation", name, None, f"ttl {_duration(before.ttl)} → {_duration(after.ttl)}")
    if before.rows != after.rows:
        detail = "its rows (joins, filters, grouping, keys, timestamps): all features may move"
        yield Change("computation", name, None, detail)
    for feature in [*before.features, *(each for each in after.features if each not in before.features)]:
        if feature not in after.features:
            readers = tuple(_readers(old, f"{name}:{feature}", whole=True))
            yield Change("removed", name, feature, before.features[feature].type, readers)
        elif feature not in before.features:
            yield Change("added", name, feature, after.features[feature].type)
        else:
            was, now = before.features[feature], after.features[feature]
            if was.type != now.type:
                readers = tuple(_readers(old, f"{name}:{feature}", whole=True))
                yield Change("type", name, feature, f"{was.type} → {now.type}", readers)
            elif detail := _moved(was, now, before.rows != after.rows):
                yield Change("computation", name, feature, detail)


def _moved(was: FeatureState, now: FeatureState, rows_changed: bool) -> str:
    parts = []
    if was.default != now.default:
        parts.append(f"default {_value(was.default)} → {_value(now.default)}")
    # An aggregate is another one over other rows: that is told once, of the view.
    if was.expression != now.expression and not rows_changed:
        parts.append("expression")
    return ", ".join(parts)


def _service_changes(old: State, new: State) -> Iterator[Change]:
    """A reference without a version that reads another version from now on."""
    for service, references in new.services.items():
        for text, resolved in references.items():
            was = old.services.get(service, {}).get(text)
            if was is None or was == resolved:
                continue
            types = [_feature(old, was), _feature(new, resolved)]
            view, _, feature = was.partition(":")
            detail = f"{service} reads it as {text}, which is {resolved} now"
            if types[0] != types[1]:
                detail += f": {types[0]} → {types[1]}"
            same = types[0] == types[1]
            kind: Kind = "computation" if same else "type"
            yield Change(kind, view, feature, detail, () if same else (f"{service}: {text}",))


def _feature(state: State, resolved: str) -> str:
    view, _, feature = resolved.partition(":")
    return state.views[view].features[feature].type


def _readers(state: State, prefix: str, whole: bool = False) -> Iterator[str]:
    for service, references in state.services.items():
        for text, resolved in references.items():
            if resolved == prefix if whole else resolved.startswith(prefix):
                yield f"{service}: {text}"


def _services_touched(changes: list[Change], old: State, new: State) -> dict[str, list[str]]:
    touched: dict[str, list[str]] = {}
    for state in (old, new):
        for service, references in state.services.items():
            for text, resolved in references.items():
                hit = any(
                    change.name == resolved
                    or (change.feature is None and resolved.startswith(f"{change.view}:"))
                    for change in changes
                    if change.kind != "added"
                )
                if hit and text not in touched.setdefault(service, []):
                    touched[service].append(text)
    return {service: texts for service, texts in sorted(touched.items()) if texts}


def _exposures_touched(changes: list[Change], old: State, new: State) -> list[str]:
    models = {
        state.views[change.view].model
        for state in (old, new)
        for change in changes
        if change.kind != "added" and change.view in state.views
    }
    exposures = {**old.exposures, **new.exposures}
    services = {*old.services, *new.services}
    return sorted(name for name, reads in exposures.items() if models & {*reads} and name not in services)


def _todo(old: State, new: State, changes: list[Change]) -> list[str]:
    """A new version where readers would break, and the commands that bring warehouse and Redis along."""
    steps = []
    for view in sorted({change.view for change in changes if change.breaking}):
        steps.append(
            f"a new version of {view.partition('@')[0]} beside {view}, which its readers go on reading"
        )
    rebuilt = [
        model.selector
        for name, model in new.models.items()
        if name in old.models
        and model.materialized == "incremental"
        and old.models[name].computation != model.computation
    ]
    if rebuilt:
        steps.append(f"dbt build --full-refresh --select {' '.join(rebuilt)}")
    views = sorted({change.view for change in changes if change.view in new.views})
    if views:
        models = [new.models[new.views[view].model].selector for view in views]
        plain = [name for name in models if name not in rebuilt]
        if plain:
            steps.append(f"dbt build --select {' '.join(plain)}")
        online = [view for view in views if new.views[view].online]
        if online:
            steps.append(f"fsync online --select {' --select '.join(online)}")
    return steps


def _count(view: ViewState) -> str:
    return "1 feature" if len(view.features) == 1 else f"{len(view.features)} features"


def _keys(view: ViewState) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in view.join_keys)


def _duration(ttl: int | None) -> str:
    return "none" if ttl is None else format_duration(ttl)


def _value(value: Any) -> str:
    return "none" if value is None else repr(value)
