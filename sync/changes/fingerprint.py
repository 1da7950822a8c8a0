"""Fingerprints of every relation of a project, each from those it reads."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sync.changes.columns import (
    Fingerprints,
    Unresolved,
    column_fingerprints,
    text_fingerprints,
    upstream_parts,
)
from sync.changes.digest import fingerprint
from sync.project import Project, Target
from sync.registry.compiled import CompiledNode, CompiledProject
from sync.registry.macros import relation_name
from sync.registry.manifest import Node
from sync.registry.rendered import ModelRenderer
from sync.registry.views import macro_sources

SNAPSHOT_COLUMNS = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_is_deleted")


def project_fingerprints(
    compiled: CompiledProject, project: Project, target: Target
) -> dict[str, Fingerprints]:
    """By unique id of source, seed, snapshot and model.

    From the SQL that fsync renders, not from what dbt compiled: a manifest of any time then says the same.
    """
    tree = compiled.file.tree
    renderer = ModelRenderer(tree, project, target)
    nodes = {**tree["sources"], **tree["nodes"]}
    relations = {name: _relation(node) for name, node in nodes.items()}
    found: dict[str, Fingerprints] = {}
    for name, source in compiled.manifest.sources.items():
        found[name] = _given(source, list(source.columns))
    for name, node in compiled.manifest.nodes.items():
        if node.resource_type == "seed":
            path = project.directory / node.original_file_path
            found[name] = _given(node, _header(path) or list(node.columns))
    for name, model in compiled.models.items():
        upstream = {relations[parent]: found[parent] for parent in model.depends_on.nodes if parent in found}
        sql = renderer.sql(tree["nodes"][name])
        if sql is None:
            macros = macro_sources(compiled.manifest.macros, model.depends_on.macros)
            found[name] = _by_source(model, [model.raw_code, *(text for _, text in macros)], upstream)
        else:
            found[name] = _model(model, sql, compiled.adapter, upstream)
    return found


def _model(model: CompiledNode, sql: str, dialect: str, upstream: Mapping[str, Fingerprints]) -> Fingerprints:
    try:
        found = column_fingerprints(sql, dialect, upstream)
    except Unresolved:
        found = text_fingerprints(sql, dialect, _names(model), upstream)
    if model.resource_type == "snapshot":
        added = {name: fingerprint("snapshot", found.rows, name) for name in SNAPSHOT_COLUMNS}
        found = found._replace(columns=found.columns | added)
    return found


def _by_source(model: CompiledNode, texts: list[str], upstream: Mapping[str, Fingerprints]) -> Fingerprints:
    whole = fingerprint(*texts, *upstream_parts(upstream))
    return Fingerprints(whole, {name: fingerprint(whole, name) for name in _names(model)})


def _names(model: CompiledNode) -> list[str]:
    return [name.lower() for name in model.columns]


def _given(node: Node, columns: list[str]) -> Fingerprints:
    """What no SQL of the project makes is known by its name, and a seed by its file too."""
    identity = fingerprint("given", node.unique_id, node.checksum.checksum)
    return Fingerprints(identity, {name.lower(): fingerprint(identity, name.lower()) for name in columns})


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _relation(node: Mapping[str, Any]) -> str:
    return relation_name(node).replace('"', "").replace("`", "").lower()
