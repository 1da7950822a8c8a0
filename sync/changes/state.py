"""What a project's features are made of at one moment: enough to compare it with another."""

from pathlib import Path
from typing import Any

import msgspec

from sync.changes.fingerprint import project_fingerprints
from sync.changes.lineage import Fingerprints, fingerprint
from sync.errors import FsyncError, did_you_mean
from sync.registry.compiled import CompiledNode, CompiledProject
from sync.registry.references import parse_feature
from sync.registry.registry import Registry, load_registry
from sync.registry.views import FeatureView

FILE = "fsync_state.json"


class FeatureState(msgspec.Struct, frozen=True):
    type: str
    expression: str
    default: Any = None


class ViewState(msgspec.Struct, frozen=True):
    """`rows`: fingerprint of keys, timestamps, joins and filters."""

    model: str
    join_keys: list[tuple[str, str]]
    rows: str
    features: dict[str, FeatureState]
    ttl: int | None = None
    online: bool = True


class ModelState(msgspec.Struct, frozen=True):
    """`text`: of its file as it is written; `computation`: of what all its columns come to."""

    selector: str
    text: str
    computation: str
    materialized: str


class State(msgspec.Struct, frozen=True):
    project: str
    # Of how fingerprints are made, and for which warehouse: only states of one method compare.
    method: str
    views: dict[str, ViewState]
    models: dict[str, ModelState]
    # Service → reference as written → the reference with its version.
    services: dict[str, dict[str, str]]
    # Exposure → the models it reads.
    exposures: dict[str, list[str]]


def state_of(compiled: CompiledProject, directory: Path) -> State:
    """`directory`: the project's."""
    registry = load_registry(directory, compiled.path.parent)
    found = project_fingerprints(compiled, directory)
    views = {name: _view(view, found[view.model]) for name, view in registry.views.items()}
    models = {name: _model(node, found[name]) for name, node in compiled.models.items()}
    services = {
        name: {text: _pinned(registry, text) for text in service.features}
        for name, service in registry.services.items()
    }
    exposures = {
        exposure.name: sorted(exposure.depends_on.nodes) for exposure in compiled.manifest.exposures.values()
    }
    method = fingerprint(compiled.adapter)
    return State(registry.project, method, views, models, services, exposures)


def write_state(state: State, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(path.name + ".new")
    written.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
    written.replace(path)


def read_state(path: Path) -> State:
    """Of the file that `fsync plan --save` wrote, or of the folder that holds it."""
    path = path / FILE if path.is_dir() else path
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        raise FsyncError(
            f"there is no state at {path}; `fsync plan --save` writes it, where the features are as they were"
        ) from None
    except OSError as error:
        raise FsyncError(f"cannot read the state {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise FsyncError(f"{path} is not a state that `fsync plan --save` wrote ({error})") from None


def _view(view: FeatureView, found: Fingerprints) -> ViewState:
    def column(name: str) -> str:
        if name.lower() not in found.columns:
            raise FsyncError(
                f"{view.reference}: the YAML lists {name}, which the model does not select"
                f"{did_you_mean(name, found.columns)}"
            )
        return found.columns[name.lower()]

    times = [view.event_timestamp, *([view.created_timestamp] if view.created_timestamp else [])]
    keys = [column(name) for name in [*(key.name for key in view.join_keys), *times]]
    return ViewState(
        model=view.model,
        join_keys=[(key.name, key.type) for key in view.join_keys],
        rows=fingerprint(found.rows, *keys),
        features={
            feature.name: FeatureState(feature.type, column(feature.name), feature.default)
            for feature in view.features
        },
        ttl=view.ttl,
        online=view.online,
    )


def _model(node: CompiledNode, found: Fingerprints) -> ModelState:
    selector = node.name if node.version is None else f"{node.name}.v{node.version}"
    computation = fingerprint(
        found.rows, *(f"{name}={value}" for name, value in sorted(found.columns.items()))
    )
    text = fingerprint(node.checksum.checksum or node.raw_code)
    return ModelState(selector, text, computation, node.config.materialized)


def _pinned(registry: Registry, text: str) -> str:
    reference = parse_feature(text)
    return f"{registry.view(reference.view).reference}:{reference.feature}"
