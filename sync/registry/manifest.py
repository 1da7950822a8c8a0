"""`target/manifest.json`, of which only the fields below are decoded: lenient about what is dbt's."""

from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sync.errors import FsyncError
from sync.project import Target

T = TypeVar("T")
# What a ref leads to.
RELATIONS = ("model", "seed", "snapshot")


class Contract(msgspec.Struct):
    enforced: bool = False


class NodeConfig(msgspec.Struct):
    enabled: bool = True
    materialized: str = "view"
    meta: dict[str, Any] = {}
    event_time: str | None = None
    contract: Contract | None = None


class ColumnConfig(msgspec.Struct):
    meta: dict[str, Any] = {}


class Column(msgspec.Struct):
    name: str
    data_type: str | None = None
    description: str = ""
    meta: dict[str, Any] = {}
    config: ColumnConfig | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.meta, **(self.config.meta if self.config else {})}


class Checksum(msgspec.Struct, frozen=True):
    name: str = "none"
    checksum: str = ""


class DependsOn(msgspec.Struct):
    nodes: list[str] = []
    macros: list[str] = []


class Macro(msgspec.Struct):
    macro_sql: str
    depends_on: DependsOn = msgspec.field(default_factory=DependsOn)


class Node(msgspec.Struct):
    name: str
    resource_type: str
    package_name: str
    original_file_path: str
    unique_id: str
    config: NodeConfig
    checksum: Checksum = Checksum()
    tags: list[str] = []
    description: str = ""
    columns: dict[str, Column] = {}
    patch_path: str | None = None
    relation_name: str | None = None
    version: str | int | float | None = None
    latest_version: str | int | float | None = None
    deprecation_date: str | None = None
    depends_on: DependsOn = msgspec.field(default_factory=DependsOn)


class Exposure(msgspec.Struct):
    name: str
    package_name: str
    original_file_path: str
    config: NodeConfig = msgspec.field(default_factory=NodeConfig)
    meta: dict[str, Any] = {}
    description: str = ""
    depends_on: DependsOn = msgspec.field(default_factory=DependsOn)

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.meta, **self.config.meta}


class Metadata(msgspec.Struct):
    project_name: str
    adapter_type: str | None = None


class Manifest(msgspec.Struct):
    metadata: Metadata
    nodes: dict[str, Node]
    exposures: dict[str, Exposure] = {}
    macros: dict[str, Macro] = {}


_KINDS = ("nodes", "sources", "exposures", "macros")


class ManifestFile:
    """Read once, so that all that is decoded of it is of one run of dbt."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.content = path.read_bytes()
        except FileNotFoundError:
            raise FsyncError(f"no manifest at {path}; run `dbt build` (or `dbt parse`) first") from None
        except OSError as error:
            raise FsyncError(f"cannot read {path}: {error.strerror}") from None

    def decode(self, form: type[T]) -> T:
        try:
            return msgspec.json.decode(self.content, type=form)
        except ValueError as error:  # msgspec's own, or text that is not UTF-8.
            raise FsyncError(
                f"{self.path} is not a manifest that fsync can read ({error}); run `dbt parse` again"
            ) from None

    def check_target(self, target: Target) -> None:
        """Raises FsyncError where the manifest was written for another kind of warehouse."""
        adapter, written_for = target.settings["type"], self.tree["metadata"].get("adapter_type")
        if written_for != adapter:
            raise FsyncError(
                f"the manifest in {self.path.parent} is of a {written_for} target, but {target.name} is "
                f"{adapter}; run `dbt parse --target {target.name}`"
            )

    @cached_property
    def tree(self) -> dict[str, Any]:
        """All of it, for macros, which look where they like; kinds that it leaves out are empty."""
        return {kind: {} for kind in _KINDS} | self.decode(dict[str, Any])
