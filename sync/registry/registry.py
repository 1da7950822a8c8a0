from pathlib import Path
from typing import NamedTuple

from sync.errors import FsyncError, did_you_mean
from sync.registry.manifest import Exposure, Manifest, ManifestFile
from sync.registry.references import ViewReference, parse_feature, parse_view
from sync.registry.staleness import stale_files
from sync.registry.views import FeatureView, feature_views


class FeatureService(NamedTuple):
    name: str
    features: tuple[str, ...]
    description: str = ""


class Registry(NamedTuple):
    project: str
    views: dict[str, FeatureView]
    services: dict[str, FeatureService]
    stale: tuple[str, ...]

    def view(self, reference: ViewReference) -> FeatureView:
        """The latest version when none is named."""
        named = [view for view in self.views.values() if view.name == reference.view]
        if not named:
            known = {view.name for view in self.views.values()}
            raise FsyncError(
                f"unknown feature view '{reference.view}'{did_you_mean(reference.view, known)}; "
                "if it is new, run `dbt parse`"
            )
        if reference.version is None:
            latest = [view for view in named if view.latest]
            if latest:
                return latest[0]
            raise FsyncError(f"feature view {reference.view} has no latest version among the enabled models")
        for view in named:
            if view.version == reference.version:
                return view
        versions = [view.version for view in named if view.version is not None]
        raise FsyncError(
            f"feature view {reference.view} has no version {reference.version}"
            + (f" (it has {', '.join(versions)})" if versions else " (it is not versioned)")
        )

    def select(self, names: "list[str] | tuple[str, ...]") -> list[FeatureView]:
        """A bare name stands for all its versions: each of them is live."""
        if not names:
            return list(self.views.values())
        chosen: dict[str, FeatureView] = {}
        for name in names:
            reference = parse_view(name)
            view = self.view(reference)
            versions = (
                [view] if reference.version else [v for v in self.views.values() if v.name == view.name]
            )
            chosen.update((version.reference, version) for version in versions)
        return list(chosen.values())


def load_registry(project_dir: Path, file: ManifestFile) -> Registry:
    manifest = file.decode(Manifest)
    views = feature_views(manifest)
    registry = Registry(
        project=manifest.metadata.project_name,
        views=views,
        services={},
        stale=stale_files(manifest, views, project_dir, file.path),
    )
    return registry._replace(services=_services(manifest, registry))


def _services(manifest: Manifest, registry: Registry) -> dict[str, FeatureService]:
    services: dict[str, FeatureService] = {}
    for exposure in sorted(manifest.exposures.values(), key=lambda exposure: exposure.name):
        if exposure.config.enabled and "features" in exposure.settings:
            services[exposure.name] = _service(exposure, registry)
    return services


def _service(exposure: Exposure, registry: Registry) -> FeatureService:
    where = f"exposure {exposure.name} ({exposure.original_file_path})"
    references = exposure.settings["features"]
    if not isinstance(references, list) or not references:
        raise FsyncError(f"{where}: meta.features is {references!r}; give a list of view:feature")
    for reference in references:
        try:
            check_feature(registry, reference)
        except FsyncError as error:
            raise FsyncError(f"{where}: {error}") from None
    if len(set(references)) != len(references):
        twice = next(reference for reference in references if references.count(reference) > 1)
        raise FsyncError(f"{where}: meta.features names {twice} twice")
    return FeatureService(exposure.name, tuple(references), exposure.description)


def check_feature(registry: Registry, text: object) -> None:
    if not isinstance(text, str):
        raise FsyncError(f"{text!r} is not a feature reference; write view:feature or view@2:feature")
    reference = parse_feature(text)
    view = registry.view(reference.view)
    known = [feature.name for feature in view.features]
    if reference.feature not in known:
        raise FsyncError(
            f"feature view {view.reference} has no feature '{reference.feature}'"
            + did_you_mean(reference.feature, known)
        )
