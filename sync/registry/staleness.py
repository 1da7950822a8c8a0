from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from sync.registry.manifest import Manifest, Node
from sync.registry.views import FeatureView


def stale_files(
    manifest: Manifest, views: dict[str, FeatureView], project_dir: Path, manifest_path: Path
) -> tuple[str, ...]:
    """Files that define features and changed after dbt last read them.

    A newer file with the content that dbt recorded (a fresh checkout, a touch) is not stale; dbt records no
    checksum of YAML, so there the clock decides.
    """
    written = manifest_path.stat().st_mtime
    root = manifest.metadata.project_name
    nodes = [manifest.nodes[view.model] for view in views.values()]
    nodes = [node for node in nodes if node.package_name == root]
    stale = [
        node.original_file_path
        for node in nodes
        if _newer(project_dir / node.original_file_path, written) and not _unchanged(project_dir, node)
    ]
    exposures = [
        e for e in manifest.exposures.values() if e.package_name == root and "features" in e.settings
    ]
    yaml_files = ["dbt_project.yml", *_patches(nodes), *(e.original_file_path for e in exposures)]
    stale += [name for name in yaml_files if _newer(project_dir / name, written)]
    return tuple(sorted(set(stale)))


def _patches(nodes: Iterable[Node]) -> list[str]:
    return [node.patch_path.partition("://")[2] for node in nodes if node.patch_path]


def _newer(path: Path, than: float) -> bool:
    try:
        return path.stat().st_mtime > than
    except FileNotFoundError:
        return True


def _unchanged(project_dir: Path, node: Node) -> bool:
    try:
        content = (project_dir / node.original_file_path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    # dbt hashes a model's text without the white space around it.
    return node.checksum.checksum == sha256(content.strip().encode()).hexdigest()
