"""The lint of a dbt project's models."""

from sync.errors import FsyncError, did_you_mean
from sync.lint.finding import Report
from sync.project import Project
from sync.registry.compiled import CompiledProject
from sync.sql.model import Model
from sync.sql.project import project_models, upstream


def lint_project(project: Project, compiled: CompiledProject, select: "tuple[str, ...]" = ()) -> Report:
    """The report on the models of `select` (views, and all that they are made of), or on all."""
    from sync.lint.run import lint

    models = project_models(project, compiled)
    return lint(list(models.values()), compiled.adapter, _chosen(compiled, models, select))


def _chosen(
    compiled: CompiledProject, models: dict[str, Model], select: "tuple[str, ...]"
) -> "frozenset[str] | None":
    if not select:
        return None
    nodes = compiled.models
    chosen: set[str] = set()
    for name in select:
        view, _, version = name.partition("@")
        found = {
            key
            for key, node in nodes.items()
            if node.name == view and (not version or str(node.version) == version)
        }
        if not found:
            known = {node.name for node in nodes.values()}
            raise FsyncError(f"no model {name!r} to lint{did_you_mean(view, known)}")
        chosen |= found | upstream(nodes, found)
    return frozenset(models[key].name for key in chosen)
