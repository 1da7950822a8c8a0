"""Compiles macros and models of the project from the manifest, which holds the source of all there are.

dbt itself takes 3 s to start, opens the warehouse for writing and rewrites the manifest. What follows gives
them what needs no warehouse of what dbt gives; any other name is undefined, and an error. The tests compare
its output with `dbt compile`, for each adapter.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import CodeType
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, Undefined, nodes
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from sync.errors import FsyncError
from sync.registry.manifest import RELATIONS


class _Unknown(Undefined):
    """As in dbt, what an object does not have is empty, and a name that nothing bears is an error."""

    def _stands(self) -> bool:
        return self._undefined_obj is not missing or self._undefined_hint is not None

    def __str__(self) -> str:
        return "" if self._stands() else str(self._fail_with_undefined_error())

    def __bool__(self) -> bool:
        return False if self._stands() else bool(self._fail_with_undefined_error())


# Jinja exports no macro whose name starts with an underscore.
PREFIX = "exported_"
ENVIRONMENT = SandboxedEnvironment(extensions=["jinja2.ext.do"], undefined=_Unknown)


class _Return(Exception):
    def __init__(self, value: object) -> None:
        self.value = value


class _Adapter:
    def __init__(self, name: str, dispatch: Callable[..., Callable[..., Any]]) -> None:
        self._mark = "`" if name == "bigquery" else '"'
        self.dispatch = dispatch

    def quote(self, identifier: str) -> str:
        return f"{self._mark}{identifier}{self._mark}"

    def get_relation(self, *_: Any, **__: Any) -> None:
        """As in a build from nothing, where no table is there yet; so no run is incremental."""


class _Macro:
    """Callable in a template; `macro` is its entry in the manifest."""

    def __init__(self, macro: dict[str, Any], call: Callable[..., Any]) -> None:
        self.macro = macro
        self.call = call

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.call(*arguments, **options)


class MacroCompiler:
    def __init__(
        self,
        manifest: Mapping[str, Any],
        adapter: str,
        package: str | None = None,
        given: "Mapping[str, Any] | None" = None,
    ) -> None:
        """`package`: whose model is rendered, its macros need no package before their name; `given`: what
        templates see of that model.
        """
        self._project = str(manifest["metadata"]["project_name"])
        self._nodes: dict[str, dict[str, Any]] = manifest["nodes"]
        self._adapter = adapter
        self._macros: dict[tuple[str, str], dict[str, Any]] = {
            (macro["package_name"], macro["name"]): macro for macro in manifest["macros"].values()
        }
        # Dicts, because the sandbox hides attributes that start with an underscore.
        packages: dict[str, dict[str, Any]] = {}
        for (package, name), macro in self._macros.items():
            packages.setdefault(package, {})[name] = _Macro(macro, partial(self._call, package, name))
        # The same for all that a model calls: dbt does not look into a macro's own package.
        bare = [packages.get(name, {}) for name in ("dbt", f"dbt_{adapter}", self._project, package or "")]
        context: dict[str, Any] = {
            **packages,
            "adapter": _Adapter(adapter, self._dispatch),
            "context": packages,
            "exceptions": {"raise_compiler_error": _raise_compiler_error},
            "execute": True,
            "graph": {"nodes": self._nodes},
            "modules": {"re": re},
            "ref": self._ref,
            "return": _return,
            **(given or {}),
            **{name: macro for macros in bare for name, macro in macros.items()},
        }
        self._globals = ENVIRONMENT.make_globals(context)
        self._template = cache(self._load)

    def call(self, package: str, name: str, *arguments: Any, **options: Any) -> str:
        if (package, name) not in self._macros:
            raise FsyncError(
                f"the project has no macro {package}.{name}; add the package {package} to packages.yml, "
                "then run `dbt deps` and `dbt parse`"
            )
        try:
            return str(self._call(package, name, *arguments, **options)).strip()
        except (TemplateError, TypeError) as error:
            raise FsyncError(f"cannot compile the macro {package}.{name}: {error}") from None

    def render(self, text: str) -> str:
        """The text of a model. Raises TemplateError, FsyncError or what Python raises in between."""
        return Template.from_code(ENVIRONMENT, _compile(text, "a model"), self._globals).render()

    def _call(self, package: str, name: str, *arguments: Any, **options: Any) -> Any:
        macro = getattr(self._template(package, name).module, PREFIX + name)
        try:
            return macro(*arguments, **options)
        except _Return as returned:
            return returned.value

    def _load(self, package: str, name: str) -> Template:
        code = _compile(self._macros[package, name]["macro_sql"], f"{package}.{name}")
        return Template.from_code(ENVIRONMENT, code, self._globals)

    def _dispatch(self, name: str, macro_namespace: str | None = None) -> Callable[..., Any]:
        """dbt's order: the root project may override a package, an adapter's macro the default."""
        namespace = macro_namespace or self._project
        packages = [f"dbt_{self._adapter}", "dbt"] if namespace == "dbt" else [namespace]
        for package in [self._project, *packages]:
            for implementation in (f"{self._adapter}__{name}", f"default__{name}"):
                if (package, implementation) in self._macros:
                    return partial(self._call, package, implementation)
        raise FsyncError(f"there is no macro {name} for {self._adapter} in {' or '.join(packages)}")

    def _ref(self, first: str, second: str | None = None, *, v: Any = None, version: Any = None) -> str:
        """A model by name, or by package and name."""
        package, name = (None, first) if second is None else (first, second)
        wanted = v if v is not None else version
        for node in self._nodes.values():
            if node["resource_type"] not in RELATIONS or node["name"] != name:
                continue
            chosen = node.get("latest_version") if wanted is None else wanted
            if (chosen is None or str(node.get("version")) == str(chosen)) and (
                package in (None, node["package_name"])
            ):
                return relation_name(node)
        raise FsyncError(
            f"there is no model {name}" + (f" of version {wanted}" if wanted is not None else "")
        )


def relation_name(node: Mapping[str, Any]) -> str:
    """Of an ephemeral model, dbt's name for the CTE that it becomes."""
    return str(node.get("relation_name") or f"__dbt__cte__{node.get('alias') or node['name']}")


@cache
def _compile(source: str, name: str) -> CodeType:
    tree = ENVIRONMENT.parse(source)
    for macro in tree.find_all(nodes.Macro):
        macro.name = PREFIX + macro.name
    return ENVIRONMENT.compile(tree, name=name)


def _return(value: object = None) -> NoReturn:
    raise _Return(value)


def _raise_compiler_error(message: str) -> NoReturn:
    raise FsyncError(message)
