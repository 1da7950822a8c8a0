"""A dbt project's models, from the manifest of its compiled SQL."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from sync.project import Project
from sync.registry.compiled import CompiledNode, CompiledProject
from sync.registry.manifest import ManifestFile, Node
from sync.registry.views import is_feature_view
from sync.sql.model import Model

PART = re.compile(r'[`"]([^`"]+)[`"]|([^.`"]+)')
# Tests for uniqueness, ours and dbt_utils'.
UNIQUE_TESTS = {"unique_rows": "columns", "unique_combination_of_columns": "combination_of_columns"}


class TestMetadata(msgspec.Struct):
    name: str
    kwargs: dict[str, Any] = {}


class Test(msgspec.Struct):
    resource_type: str
    attached_node: str | None = None
    test_metadata: TestMetadata | None = None
    column_name: str | None = None


class Tests(msgspec.Struct):
    nodes: dict[str, Test]


def project_models(project: Project, compiled: CompiledProject) -> dict[str, Model]:
    """By unique id, sources and seeds first, then each model after all that it reads."""
    nodes = compiled.models
    unique = _unique_columns(compiled.file)
    found: dict[str, Model] = {
        name: _base(node) for name, node in compiled.manifest.sources.items() if node.config.enabled
    }
    found |= {
        name: _base(node)
        for name, node in compiled.manifest.nodes.items()
        if node.resource_type == "seed" and node.config.enabled
    }
    features = {name for name, node in nodes.items() if is_feature_view(node)}
    feeding = upstream(nodes, features)
    for name, node in nodes.items():
        model = _base(node)
        text, model.file = _source(project, node)
        model.source = text
        model.sql = node.compiled_code
        model.is_feature = name in features
        model.feeds_feature = name in feeding
        model.is_snapshot = node.resource_type == "snapshot"
        model.is_training = _is_training(node, model) and not model.is_feature
        found[name] = model
    for name, model in found.items():
        model.unique = unique.get(name, [])
    return found


def _base(node: Node) -> Model:
    columns = {column.name.lower(): (column.data_type or "") for column in node.columns.values()}
    settings = {column.name.lower(): column.settings for column in node.columns.values()}
    pii = {name: given["pii"] for name, given in settings.items() if isinstance(given.get("pii"), bool)}
    version = f".v{node.version}" if node.version is not None else ""
    meta = node.config.meta
    event = node.config.event_time or ("event_timestamp" if "event_timestamp" in columns else None)
    created = meta.get("created_timestamp")
    return Model(
        name=f"{node.name}{version}",
        file=node.original_file_path,
        relation=_relation(node.relation_name or ""),
        columns=columns,
        keys=_keys(meta),
        event_timestamp=event.lower() if event else None,
        created_timestamp=created.lower() if isinstance(created, str) and created.isidentifier() else None,
        labels=frozenset(name for name, given in settings.items() if given.get("label") is True),
        pii=pii,
        personal=frozenset(name for name, personal in pii.items() if personal),
        unserved=frozenset(name for name, given in settings.items() if given.get("feature") is False),
    )


def _keys(meta: dict[str, Any]) -> tuple[str, ...]:
    entity, named = meta.get("entity"), meta.get("join_key")
    entities = entity if isinstance(entity, list) else [entity] if entity else []
    keys = named if isinstance(named, list) else [named] if named else [f"{one}_id" for one in entities]
    return tuple(str(key).lower() for key in keys)


def is_of_files(relation_name: str) -> bool:
    """A source read from files has a path for a name, and none in SQL."""
    return "'" in relation_name or "(" in relation_name


def _relation(text: str) -> tuple[str, ...]:
    if is_of_files(text):
        return ()
    return tuple((quoted or bare).lower() for quoted, bare in PART.findall(text))


def _is_training(node: CompiledNode, model: Model) -> bool:
    folders = PurePosixPath(node.original_file_path).parts[:-1]
    return bool(model.labels) or "training" in folders or "training" in node.tags


def upstream(nodes: dict[str, CompiledNode], features: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(features)
    while waiting:
        for parent in nodes[waiting.pop()].depends_on.nodes:
            if parent in nodes and parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def _source(project: Project, node: CompiledNode) -> tuple[str, str]:
    """The file's whole text, or dbt's copy of the model with blank lines before it, and where it lies."""
    place = Path(node.original_file_path)
    if node.package_name != project.name:
        folder = _packages_folder() / node.package_name
        place = folder / place
    try:
        text = (project.directory / place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return node.raw_code, str(place)
    raw = node.raw_code.strip()
    if text.strip() == raw:
        return text, str(place)
    before = text.find(raw)
    return ("\n" * text.count("\n", 0, before) if raw and before >= 0 else "") + node.raw_code, str(place)


def _packages_folder() -> Path:
    import os

    return Path(os.environ.get("DBT_PACKAGES_INSTALL_PATH") or "dbt_packages")


def _unique_columns(file: ManifestFile) -> dict[str, list[frozenset[str]]]:
    """Per node, the sets of columns that a dbt test proves unique."""
    found: dict[str, list[frozenset[str]]] = {}
    for test in file.decode(Tests).nodes.values():
        if test.resource_type != "test" or test.attached_node is None or test.test_metadata is None:
            continue
        name, arguments = test.test_metadata.name, test.test_metadata.kwargs
        columns: Any = [test.column_name] if name == "unique" else arguments.get(UNIQUE_TESTS.get(name, ""))
        if isinstance(columns, list) and all(isinstance(column, str) for column in columns):
            found.setdefault(test.attached_node, []).append(frozenset(column.lower() for column in columns))
    return found
