"""The state of the project as dbt read it last, and the one that the next plan compares with.

Both are made without dbt, from the manifest that it wrote.
"""

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from sync.changes.digest import fingerprint
from sync.changes.state import FILE, State, ViewState, read_state, write_state
from sync.errors import FsyncError
from sync.files import write_bytes
from sync.project import Project, Target, read_vars
from sync.registry.manifest import RELATIONS, ManifestFile

# Of a node: what says when dbt did something, or what it made of the node then.
MADE = frozenset(["build_path", "compiled", "compiled_code", "compiled_path", "created_at"])
MADE |= {"extra_ctes", "extra_ctes_injected"}
ENV_VAR = re.compile(r"""env_var\(\s*['"](\w+)['"]""")


class Kept(msgspec.Struct, frozen=True):
    """The state of definitions, or why they have none."""

    definitions: str
    state: State | None
    error: str = ""


def current_state(project: Project, target: Target, manifest: ManifestFile | None = None) -> State:
    """Takes a second or several after a definition changed, and then is kept beside the manifest.

    Raises FsyncError where the project's SQL and YAML do not fit together.
    """
    manifest = manifest or ManifestFile(project.target_path / "manifest.json")
    definitions = _definitions(manifest, project, target)
    kept_at = project.target_path / "fsync" / "current.json"
    kept = _kept(kept_at)
    if kept is None or kept.definitions != definitions:
        kept = _made(definitions, manifest, project, target)
        with suppress(FsyncError):
            write_bytes(kept_at, msgspec.json.encode(kept))
    if kept.state is None:
        raise FsyncError(kept.error)
    return kept.state


def _kept(path: Path) -> Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, ValueError):  # msgspec's own, or text that is not UTF-8.
        return None


def _made(definitions: str, manifest: ManifestFile, project: Project, target: Target) -> Kept:
    # The parser of SQL takes its time to import.
    from sync.changes.project_state import state_of
    from sync.registry.compiled import decode_project

    try:
        return Kept(definitions, state_of(decode_project(manifest, target), project, target))
    except FsyncError as error:
        return Kept(definitions, None, str(error))


def _definitions(manifest: ManifestFile, project: Project, target: Target) -> str:
    """Changes with whatever a state is made of."""
    tree = manifest.tree
    nodes = [
        {key: value for key, value in node.items() if key not in MADE}
        for node in tree["nodes"].values()
        if node["resource_type"] in RELATIONS
    ]
    others = [tree["sources"], tree["exposures"], tree["macros"]]
    content = msgspec.json.encode([nodes, others], order="deterministic").decode()
    packages = sorted({node["package_name"] for node in nodes})
    asked = {name: os.environ.get(name) for name in sorted({*ENV_VAR.findall(content.replace("\\", ""))})}
    given = [[read_vars(project, package) for package in packages], asked, target.name, target.settings]
    return fingerprint(content, str(given))


def save_synced(project: Project, target: Target, synced: Collection[str], *, whole: bool) -> None:
    """Views that were synced are what the next plan compares with, and those that stay out of Redis.

    `whole`: all were to be synced, so that what is no view any more is gone. Raises FsyncError.
    """
    path = project.target_path / "fsync" / FILE
    now = current_state(project, target)
    old = read_state(path) if path.exists() else None
    if old is None or (old.project, old.method) != (now.project, now.method):
        old = State(now.project, now.method, {}, {}, {}, {})
    views = {name: view for name, view in old.views.items() if not whole or name in now.views}
    views |= {name: view for name, view in now.views.items() if name in synced or not view.online}
    services = {
        service: {text: name for text, name in references.items() if _has(views, name)}
        for service, references in now.services.items()
    }
    new = msgspec.structs.replace(now, views=views, services=services)
    if new != old:
        write_state(new, path)


def _has(views: Mapping[str, ViewState], reference: str) -> bool:
    view, _, feature = reference.partition(":")
    return view in views and feature in views[view].features
