"""Where a dbt project keeps its manifest and its warehouse, found the way dbt finds them."""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from sync.errors import FsyncError, did_you_mean

# As profiles write it, with the name and the default in quotes.
ENV_VAR = re.compile(r"""\{\{\s*env_var\(\s*(['"])(\w+)\1\s*(?:,\s*(['"])([^'"\\]*)\3\s*)?\)\s*\}\}""")


class Project(NamedTuple):
    name: str
    directory: Path
    target_path: Path
    profile: str | None


class Target(NamedTuple):
    name: str
    settings: dict[str, Any]
    source: Path


def open_project(project_dir: "str | Path | None" = None) -> Project:
    directory = Path(project_dir or os.environ.get("DBT_PROJECT_DIR") or ".").expanduser().resolve()
    path = directory / "dbt_project.yml"
    if not path.is_file():
        raise FsyncError(
            f"no dbt_project.yml in {directory}; run fsync in a dbt project or give --project-dir"
        )
    settings = _read_yaml(path)
    name = settings.get("name")
    if not isinstance(name, str):
        raise FsyncError(f"{path} has no `name`")
    target_path = os.environ.get("DBT_TARGET_PATH") or settings.get("target-path") or "target"
    return Project(name, directory, directory / _render(str(target_path), path), settings.get("profile"))


def read_target(
    project: Project,
    profiles_dir: "str | Path | None" = None,
    profile: str | None = None,
    target: str | None = None,
) -> Target:
    path = _profiles_path(project, profiles_dir)
    # Only the one output is rendered, so that another target's env_var may be missing.
    profiles = _read_yaml(path)
    profile = profile or os.environ.get("DBT_PROFILE") or _render(project.profile or "", path)
    if profile not in profiles:
        known = [name for name in profiles if name != "config"]
        raise FsyncError(f"{path} has no profile '{profile}'{did_you_mean(profile, known)}")
    entry = profiles[profile] if isinstance(profiles[profile], dict) else {}
    outputs = entry.get("outputs")
    if not isinstance(outputs, dict) or not outputs:
        raise FsyncError(f"{path}: profile {profile} has no outputs")
    target = target or os.environ.get("DBT_TARGET") or _render(str(entry.get("target", "default")), path)
    if target not in outputs:
        raise FsyncError(f"{path}: profile {profile} has no target '{target}'{did_you_mean(target, outputs)}")
    settings = _render_tree(outputs[target], path)
    if not isinstance(settings, dict) or not isinstance(settings.get("type"), str):
        raise FsyncError(f"{path}: target {target} of profile {profile} has no `type`")
    return Target(target, settings, path)


def read_vars(project: Project, package: str) -> dict[str, Any]:
    """The vars that a model of a package sees: the package's own, over which the project's go."""
    settings = _read_yaml(project.directory / "dbt_project.yml")
    given = settings.get("vars") or {}
    folder = _render(str(settings.get("packages-install-path") or "dbt_packages"), project.directory)
    path = project.directory / folder / package
    own: dict[str, Any] = {}
    if package != project.name and (path / "dbt_project.yml").is_file():
        own = _read_yaml(path / "dbt_project.yml").get("vars") or {}
    scoped = [vars_.get(package) for vars_ in (own, given)]
    found = [own, scoped[0], given, scoped[1]]
    return {name: value for vars_ in found if isinstance(vars_, dict) for name, value in vars_.items()}


def _profiles_path(project: Project, profiles_dir: "str | Path | None") -> Path:
    explicit = profiles_dir or os.environ.get("DBT_PROFILES_DIR")
    folders = [Path(explicit).expanduser()] if explicit else [project.directory, Path.home() / ".dbt"]
    for folder in folders:
        if (folder / "profiles.yml").is_file():
            return (folder / "profiles.yml").resolve()
    raise FsyncError(f"no profiles.yml in {' or '.join(map(str, folders))}; give --profiles-dir")


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        # libyaml's takes a tenth of the time.
        content = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise FsyncError(f"{path}{line}: not valid YAML ({getattr(error, 'problem', error)})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FsyncError(f"cannot read {path}: {error}") from None
    if not isinstance(content, dict):
        raise FsyncError(f"{path} is not a mapping of settings")
    return content


def _render_tree(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _render_tree(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_render_tree(item, path) for item in value]
    return _render(value, path) if isinstance(value, str) else value


def _render(text: str, path: Path) -> str:
    if "{{" not in text and "{%" not in text:
        return text

    def env_var(name: str, default: str | None = None) -> str:
        value = os.environ.get(name, default)
        if value is None:
            raise FsyncError(f"{path} needs the environment variable {name}, which is not set")
        return value

    # Jinja takes longer to load than most of what follows.
    if not re.search(r"[{\n]", ENV_VAR.sub("", text)):
        return ENV_VAR.sub(lambda found: env_var(found[2], found[4]), text)
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    environment.filters.update(as_bool=str, as_number=str, as_native=str, as_text=str)
    try:
        return environment.from_string(text).render(env_var=env_var)
    except TemplateError as error:
        raise FsyncError(f"{path}: cannot render {text!r}: {error}") from None
