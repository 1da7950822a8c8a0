"""The state of a project, from the fingerprints of all its relations."""

from sync.changes.columns import Fingerprints
from sync.changes.digest import fingerprint
from sync.changes.fingerprint import project_fingerprints
from sync.changes.state import FeatureState, ModelState, State, ViewState
from sync.errors import FsyncError, did_you_mean
from sync.project import Project, Target
from sync.registry.compiled import CompiledNode, CompiledProject
from sync.registry.references import parse_feature
from sync.registry.registry import Registry, load_registry
from sync.registry.views import FeatureView


def state_of(compiled: CompiledProject, project: Project, target: Target) -> State:
    registry = load_registry(project.directory, compiled.file)
    found = project_fingerprints(compiled, project, target)
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
