"""What a worker knows of the project: read from Redis as a whole, and again whenever it may have changed."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sync.errors import FsyncError
from sync.online import layout
from sync.online.layout import ViewMeta
from sync.online.resolve import Resolver
from sync.online.tokens import Token, unpack_token
from sync.serving.redis_pipe import Outdated, RedisDown
from sync.serving.servers import Servers

REFRESH_SECONDS = 1.0
# An unknown name is looked up again in Redis; not more often than this, so the asker waits a little.
LOOK_AGAIN_SECONDS = 0.1
LONGEST_NAME = 256


class Catalog:
    """One snapshot. A request keeps the one it began with; plans made of it are kept with it."""

    def __init__(
        self,
        project: str,
        known: dict[str, str],
        services: dict[str, list[str]],
        metas: dict[str, ViewMeta],
        damaged: dict[str, str],
        tokens: dict[str, Token],
    ) -> None:
        self.project, self.known, self.services = project, known, services
        self.metas, self.damaged, self.tokens = metas, damaged, tokens
        self.resolver = Resolver(project, known, lambda: services, self._meta)
        self.plans: dict[Any, Any] = {}

    def _meta(self, reference: str) -> ViewMeta | None:
        """A view that cannot be read keeps nobody from the others."""
        if reference in self.damaged:
            raise RedisDown(self.damaged[reference], "damaged")
        return self.metas.get(reference)

    def defines_as(self, other: "Catalog") -> bool:
        """Whether plans made of one are those of the other."""
        mine = (self.known, self.services, self.damaged, self._definitions())
        return mine == (other.known, other.services, other.damaged, other._definitions())

    def _definitions(self) -> dict[str, str]:
        return {reference: meta.definition for reference, meta in self.metas.items()}

    def is_like(self, other: "Catalog") -> bool:
        mine = (self.known, self.services, self.metas, self.damaged, self.tokens)
        return mine == (other.known, other.services, other.metas, other.damaged, other.tokens)


class CatalogKeeper:
    def __init__(self, servers: Servers, project: str) -> None:
        self._servers, self._project = servers, project
        self._catalog: Catalog | None = None
        self._loading: asyncio.Task[Catalog] | None = None
        self._loaded_at = 0.0
        self._pinned: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> Catalog | None:
        return self._catalog

    async def open(self) -> None:
        with suppress(FsyncError):
            await self.reload()
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        for task in (self._task, self._loading):
            if task:
                task.cancel()

    async def current(self) -> Catalog:
        return self._catalog or await self.reload()

    async def look_again(self, seen: Catalog, references: Iterable[str] = ()) -> Catalog:
        """A catalog newer than the one seen, if Redis has changed since."""
        if self._catalog is not None and self._catalog is not seen:
            return self._catalog
        # Older versions are in no list of views: one that was asked for and is there is kept in mind.
        pinned = {name for name in map(_pinned, references) if name and name not in seen.metas}
        if pinned:
            stored = await self._servers.hashes(
                [layout.view_keys(self._project, name).meta for name in sorted(pinned)]
            )
            found = {name for name, fields in zip(sorted(pinned), stored, strict=True) if fields}
            if found:
                self._pinned |= found
                return await self.reload()
        await asyncio.sleep(self._loaded_at + LOOK_AGAIN_SECONDS - time.monotonic())
        return await self.reload()

    async def reload(self) -> Catalog:
        """Read by one task for all who wait for it, and not given up when one of them is."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load_sound())
        return await asyncio.shield(self._loading)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with suppress(FsyncError):
                await self.reload()

    async def _load_sound(self) -> Catalog:
        try:
            return await self._load()
        except RedisDown:
            raise
        except Outdated as error:
            raise RedisDown(str(error), "cluster") from None
        except (FsyncError, ValueError) as error:
            raise RedisDown(f"what Redis holds of {self._project} is damaged: {error}", "damaged") from None

    async def _load(self) -> Catalog:
        await self._servers.look()
        views, services, tokens = await self._servers.hashes(
            [
                layout.views_key(self._project),
                layout.services_key(self._project),
                layout.tokens_key(self._project),
            ]
        )
        known = {name.decode(): version.decode() for name, version in views.items()}
        catalog = Catalog(
            self._project,
            known,
            {name.decode(): layout.unpack_service(value) for name, value in services.items()},
            *await self._metas(known, [layout.unpack_service(value) for value in services.values()]),
            {name.decode(): unpack_token(value) for name, value in tokens.items()},
        )
        self._loaded_at = time.monotonic()
        # Plans stay until a view is defined otherwise.
        if self._catalog is None or not catalog.is_like(self._catalog):
            if self._catalog and catalog.defines_as(self._catalog):
                catalog.plans = self._catalog.plans
            self._catalog = catalog
        return self._catalog

    async def _metas(
        self, known: dict[str, str], services: list[list[str]]
    ) -> tuple[dict[str, ViewMeta], dict[str, str]]:
        references = {f"{name}@{version}" if version else name for name, version in known.items()}
        references |= {pinned for service in services for text in service if (pinned := _pinned(text))}
        references |= self._pinned
        names = sorted(references)
        stored = await self._servers.hashes([layout.view_keys(self._project, name).meta for name in names])
        metas: dict[str, ViewMeta] = {}
        damaged: dict[str, str] = {}
        for name, fields in zip(names, stored, strict=True):
            try:
                if fields:
                    metas[name] = layout.unpack_meta(fields)
            except FsyncError as error:
                damaged[name] = f"{name}: {error}"
        return metas, damaged


def _pinned(reference: str) -> str | None:
    view = reference.partition(":")[0]
    return view if "@" in view and len(view) < LONGEST_NAME else None
