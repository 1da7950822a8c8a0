"""Fingerprints of every relation of a compiled project, each from those it reads."""

import csv
from collections.abc import Mapping
from pathlib import Path

from sync.changes.lineage import (
    Fingerprints,
    Unresolved,
    column_fingerprints,
    fingerprint,
    text_fingerprints,
)
from sync.registry.compiled import CompiledNode, CompiledProject
from sync.registry.manifest import Node

SNAPSHOT_COLUMNS = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_is_deleted")


def project_fingerprints(compiled: CompiledProject, directory: Path) -> dict[str, Fingerprints]:
    """By unique id of source, seed, snapshot and model. `directory`: the project's, where its seeds lie."""
    found: dict[str, Fingerprints] = {}
    for name, source in compiled.manifest.sources.items():
        found[name] = _given(source, list(source.columns))
    for name, node in compiled.manifest.nodes.items():
        if node.resource_type == "seed":
            found[name] = _given(node, _header(directory / node.original_file_path) or list(node.columns))
    relations = {
        name: _relation(node)
        for name, node in [*compiled.manifest.sources.items(), *compiled.manifest.nodes.items()]
        if node.relation_name
    }
    for name, model in compiled.models.items():
        upstream = {
            relations[parent]: found[parent]
            for parent in _relations_read(model, compiled.models)
            if parent in relations and parent in found
        }
        found[name] = _model(model, compiled.adapter, upstream)
    return found


def _model(model: CompiledNode, dialect: str, upstream: Mapping[str, Fingerprints]) -> Fingerprints:
    sql = model.compiled_code or model.raw_code
    try:
        if model.compiled_code is None:
            raise Unresolved("a model in another language")
        found = column_fingerprints(sql, dialect, upstream)
    except Unresolved:
        found = text_fingerprints(sql, dialect, [name.lower() for name in model.columns], upstream)
    if model.resource_type == "snapshot":
        added = {name: fingerprint("snapshot", found.rows, name) for name in SNAPSHOT_COLUMNS}
        found = found._replace(columns=found.columns | added)
    return found


def _relations_read(model: CompiledNode, models: Mapping[str, CompiledNode]) -> list[str]:
    """Also what an ephemeral model reads: its text stands inside this one's."""
    found: list[str] = []
    for parent in model.depends_on.nodes:
        if parent in models and models[parent].relation_name is None:
            found += _relations_read(models[parent], models)
        found.append(parent)
    return found


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


def _relation(node: Node) -> str:
    return (node.relation_name or "").replace('"', "").replace("`", "").lower()
