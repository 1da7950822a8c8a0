"""A dbt project, its target and its Redis, each opened when first asked for."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sync.errors import FsyncError
from sync.project import Target, open_project, read_target
from sync.registry.manifest import ManifestFile
from sync.registry.registry import FeatureService, Registry, load_registry
from sync.registry.views import FeatureView

if TYPE_CHECKING:
    from sync.engine import Engine
    from sync.redis_server import RedisServer


class OpenedProject:
    def __init__(
        self,
        project_dir: "str | Path | None" = None,
        *,
        target: str | None = None,
        profile: str | None = None,
        profiles_dir: "str | Path | None" = None,
        redis_url: str | None = None,
        maximum_bytes_billed: str | None = None,
    ) -> None:
        self.project = open_project(project_dir)
        self._target, self._profile, self._profiles_dir = target, profile, profiles_dir
        self._maximum_bytes_billed = maximum_bytes_billed
        self._redis_url = redis_url or os.environ.get("FSYNC_REDIS_URL") or None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on Redis; a later call connects anew."""
        for name in ("_client", "_engine"):
            if opened := self.__dict__.pop(name, None):
                opened.close()

    @cached_property
    def target(self) -> Target:
        target = read_target(self.project, self._profiles_dir, self._profile, self._target)
        if self._maximum_bytes_billed is None:
            return target
        limit = {"maximum_bytes_billed": self._maximum_bytes_billed}
        return target._replace(settings=target.settings | limit)

    @cached_property
    def registry(self) -> Registry:
        manifest = ManifestFile(self.project.target_path / "manifest.json")
        return load_registry(self.project.directory, manifest)

    @cached_property
    def server(self) -> "RedisServer":
        from sync.redis_server import RedisServer

        return RedisServer(self.project.target_path)

    @property
    def redis_url(self) -> str:
        return self._redis_url or self.server.url

    @property
    def uses_own_redis(self) -> bool:
        return self._redis_url is None

    def views(self) -> list[FeatureView]:
        return list(self.registry.views.values())

    def services(self) -> list[FeatureService]:
        return list(self.registry.services.values())

    def _current_registry(self) -> Registry:
        registry = self.registry
        if registry.stale:
            raise FsyncError(
                f"{', '.join(registry.stale)} changed after the manifest in {self.project.target_path} "
                "was written; run `dbt build` (or `dbt parse`)"
            )
        return registry

    @cached_property
    def _engine(self) -> "Engine":
        from sync.engine import Engine

        return Engine()

    @cached_property
    def _client(self) -> Any:
        from sync.online.connect import connect

        if self.uses_own_redis:
            self.server.start()
        return connect(self.redis_url)
