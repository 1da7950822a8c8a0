"""Every model's SQL as a full build would run it, by dbt's own compiler.

The manifest of a build holds only what that build compiled, in the form it had (an incremental run's filter
included). So this compiles into a folder of its own and leaves the project's manifest alone.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from sync.errors import FsyncError
from sync.project import Project, Target
from sync.registry.manifest import Exposure, Macro, ManifestFile, Metadata, Node

# Without a warehouse to ask.
OFFLINE = ["--no-introspect", "--no-populate-cache"]
# What a DuckDB target's names are made of; the rest of its settings stays where it is.
NAMING = ("type", "schema", "database", "external_root")


class CompiledNode(Node):
    """A model, seed or snapshot; only models and snapshots have `compiled_code`."""

    raw_code: str = ""
    compiled_code: str | None = None


class SourceTable(Node):
    """A source; its `config` says nothing of how it is made."""


class CompiledManifest(msgspec.Struct):
    metadata: Metadata
    nodes: dict[str, CompiledNode]
    sources: dict[str, SourceTable] = {}
    exposures: dict[str, Exposure] = {}
    macros: dict[str, Macro] = {}


class CompiledProject(NamedTuple):
    adapter: str
    manifest: CompiledManifest
    file: ManifestFile

    @property
    def models(self) -> dict[str, CompiledNode]:
        """By unique id, each after all that it reads."""
        models = {
            name: node
            for name, node in self.manifest.nodes.items()
            if node.resource_type in ("model", "snapshot") and node.config.enabled
        }
        ordered: dict[str, CompiledNode] = {}

        def add(name: str) -> None:
            if name in models and name not in ordered:
                for parent in models[name].depends_on.nodes:
                    add(parent)
                ordered[name] = models[name]

        for name in sorted(models):
            add(name)
        return ordered


def compile_project(project: Project, target: Target, profile: str | None = None) -> CompiledProject:
    """Takes dbt's start-up time, some seconds, and leaves the warehouse alone.

    Raises FsyncError, with dbt's own words, when the project does not compile.
    """
    directory = project.target_path / "fsync" / "compiled" / target.name
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()"]
    command += ["--quiet", "--no-use-colors", "--log-path", str(directory / "logs")]
    command += ["compile", "--full-refresh", "--select", "resource_type:model", "resource_type:snapshot"]
    command += ["--target", target.name, "--target-path", str(directory)]
    command += ["--project-dir", str(project.directory)]
    if target.settings["type"] == "duckdb":
        # dbt's own is_incremental() wants a connection: to an empty file of that name, which no one locks.
        command += ["--profile", "fsync", "--profiles-dir", str(_empty_warehouse(target, directory))]
    else:
        command += [*OFFLINE, "--profiles-dir", str(target.source.parent)]
        command += ["--profile", profile] if profile else []
    settings = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    run = subprocess.run(
        command, cwd=project.directory, env=settings, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        words = (run.stdout.strip() or run.stderr.strip()).splitlines()
        raise FsyncError(
            "dbt compile failed: " + " ".join(line.strip() for line in words[-12:] if line.strip())
        )
    return decode_project(ManifestFile(directory / "manifest.json"), target)


def decode_project(file: ManifestFile, target: Target) -> CompiledProject:
    """Of a manifest that dbt wrote; only what its command compiled has `compiled_code`."""
    manifest = file.decode(CompiledManifest)
    return CompiledProject(manifest.metadata.adapter_type or target.settings["type"], manifest, file)


def _empty_warehouse(target: Target, directory: Path) -> Path:
    """The folder of a profiles.yml whose DuckDB file has the target's names and nothing in it."""
    import yaml

    directory.mkdir(parents=True, exist_ok=True)
    stem = Path(str(target.settings.get("path", ":memory:"))).stem
    path = directory / f"{stem.replace(':memory:', 'memory')}.duckdb"
    path.unlink(missing_ok=True)
    settings = {name: target.settings[name] for name in NAMING if name in target.settings}
    output = settings | {"path": str(path)}
    profiles = {"fsync": {"target": target.name, "outputs": {target.name: output}}}
    (directory / "profiles.yml").write_text(yaml.safe_dump(profiles), encoding="utf-8")
    return directory
