"""Every model's SQL as a build from nothing would run it, from the manifest alone.

dbt's own compiler takes seconds to start, and a manifest holds what the last build compiled, in the form it
had (an incremental run's filter included). What is rendered here is a function of the manifest, the project's
vars and the environment, so that one project comes to one text at any time. A model that asks the warehouse,
the clock or dbt's own Python cannot be rendered.
"""

import os
from collections.abc import Mapping
from hashlib import md5
from typing import Any

import msgspec
from jinja2 import TemplateError

from sync.errors import FsyncError
from sync.project import Project, Target, read_vars
from sync.registry.macros import MacroCompiler, relation_name

# What dbt's `api.Column` makes of a type's name, of those whose name is another one.
TYPES = {"bigquery": {"TEXT": "STRING", "FLOAT": "FLOAT64", "INTEGER": "INT64"}}
OTHERS = {"STRING": "TEXT"}


class Relation(str):
    """A relation's name, with the parts that a model may ask for."""

    database: str | None
    schema: str | None
    identifier: str


class ModelRenderer:
    """`manifest`: all of it, the tree of a ManifestFile."""

    def __init__(self, manifest: Mapping[str, Any], project: Project, target: Target) -> None:
        self._manifest, self._adapter = manifest, str(target.settings["type"])
        self._packages = {node["package_name"] for node in manifest["nodes"].values()}
        self._vars = {package: read_vars(project, package) for package in self._packages}
        types = TYPES.get(self._adapter, OTHERS)
        self._given: dict[str, Any] = {
            "api": {"Column": _column(types, self._adapter)},
            "env_var": _env_var,
            "flags": {"FULL_REFRESH": True, "INTROSPECT": False},
            "fromjson": msgspec.json.decode,
            "local_md5": lambda text: md5(text.encode(), usedforsecurity=False).hexdigest(),
            "log": lambda *_, **__: "",
            "project_name": project.name,
            "target": target.settings | {"name": target.name, "target_name": target.name},
            "tojson": lambda value, **_: msgspec.json.encode(value).decode(),
        }

    def sql(self, node: Mapping[str, Any]) -> str | None:
        """Of a model or snapshot; None where it cannot be rendered."""
        if node.get("language", "sql") != "sql":
            return None
        package = node["package_name"]
        given = self._given | {
            "config": _Config(node["config"]),
            "database": node.get("database"),
            "model": node,
            "schema": node.get("schema"),
            "source": self._source,
            "this": _relation(node),
            "var": _Vars(self._vars[package]),
        }
        compiler = MacroCompiler(self._manifest, self._adapter, package, given)
        try:
            return compiler.render(node["raw_code"])
        except (FsyncError, TemplateError, TypeError, ValueError, AttributeError, KeyError):
            return None

    def _source(self, source: str, table: str) -> Relation:
        for node in self._manifest["sources"].values():
            if (node["source_name"], node["name"]) == (source, table):
                return _relation(node)
        raise FsyncError(f"there is no source {source}.{table}")


class _Config(dict[str, Any]):
    """A model's config: calling it declares what the manifest knows already."""

    def __call__(self, *_: object, **__: object) -> str:
        return ""

    def require(self, name: str) -> Any:
        return self[name]


class _Vars(dict[str, Any]):
    def __call__(self, name: str, default: Any = None) -> Any:
        if name not in self and default is None:
            raise FsyncError(f"there is no var {name}")
        return self.get(name, default)

    def has_var(self, name: str) -> bool:
        return name in self


def _relation(node: Mapping[str, Any]) -> Relation:
    relation = Relation(relation_name(node))
    relation.database, relation.schema = node.get("database"), node.get("schema")
    relation.identifier = node.get("alias") or node.get("identifier") or node["name"]
    return relation


def _column(types: Mapping[str, str], adapter: str) -> dict[str, Any]:
    def numeric_type(name: str, precision: object, scale: object) -> str:
        bare = adapter == "bigquery" or precision is None or scale is None
        return name if bare else f"{name}({precision},{scale})"

    return {"numeric_type": numeric_type, "translate_type": lambda name: types.get(name.upper(), name)}


def _env_var(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise FsyncError(f"the environment variable {name} is not set")
    return value
