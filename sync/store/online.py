"""What needs Redis."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sync.errors import FsyncError
from sync.instants import now, parse_instant
from sync.registry.durations import parse_duration
from sync.registry.references import parse_view
from sync.store.opened import OpenedProject

if TYPE_CHECKING:
    from sync.online.push import Pushed
    from sync.online.read import OnlineFeatures
    from sync.online.run import SyncResult
    from sync.online.status import ViewStatus
    from sync.online.synchronize import Progress
    from sync.stream.run import Step
    from sync.verify import Verification


class SyncError(FsyncError):
    """Some views could not be synced, or not wholly; `results` tells of each."""

    def __init__(self, message: str, results: "list[SyncResult]") -> None:
        super().__init__(message)
        self.results = results


class Online(OpenedProject):
    def sync(self, select: Sequence[str] = (), **options: Any) -> "list[SyncResult]":
        """Put each view's newest rows into Redis. Raises SyncError at the end if any view failed.

        Options: those of `sync_each`.
        """
        results = list(self.sync_each(select, **options))
        failed = [result for result in results if result.error]
        if failed:
            raise SyncError("; ".join(str(result.error) for result in failed), results)
        return results

    def sync_each(
        self,
        select: Sequence[str] = (),
        *,
        full_refresh: bool = False,
        dry_run: bool = False,
        as_of: "str | datetime | None" = None,
        since: "str | datetime | None" = None,
        max_speed: bool = False,
        wait: str | None = None,
        retries: int | None = None,
        progress: "Progress | None" = None,
    ) -> "Iterator[SyncResult]":
        """The same, view by view; a view that fails is a result with `error`, and the next one follows.

        `since`: send what was created since this instant again. `max_speed`: readers wait for the load.
        `wait`: how long for another sync of a view, such as 5m. `retries`: of a view when Redis goes away.
        """
        from sync.changes.current import save_synced
        from sync.online.connect import redis_failures
        from sync.online.lock import new_owner
        from sync.online.pipe import MAXIMUM, THROTTLED
        from sync.online.synchronize import RETRY_SECONDS, Options, Sync
        from sync.online.write import write_services

        options = Options(
            as_of=None if as_of is None else parse_instant(as_of),
            full_refresh=full_refresh,
            since=None if since is None else parse_instant(since, where="since"),
            speed=MAXIMUM if max_speed else THROTTLED,
            wait=0.0 if wait is None else parse_duration(wait, where="wait") / 1e6,
            retries=len(RETRY_SECONDS) if retries is None else retries,
        )
        registry = self._current_registry()
        views = [view for view in registry.select(tuple(select)) if view.online]
        if select and not views:
            raise FsyncError(f"{', '.join(select)} is kept out of Redis by `online: false`")
        target = self.target
        client = None if dry_run else self._client
        if client is not None:
            with redis_failures(self.redis_url):
                write_services(client, self.project.name, registry.services)
        sync = Sync(self.project, target, self.redis_url, client, options, new_owner(), progress)
        synced = []
        try:
            for result in sync.views(views):
                if not (result.error or dry_run):
                    synced.append(result.view)
                yield result
        finally:
            # What keeps the state from being written is no fault of the sync; `fsync plan` says what it is.
            with suppress(FsyncError):
                if synced:
                    save_synced(self.project, target, synced, whole=not select)

    def prune(self, *, dry_run: bool = False) -> list[str]:
        """Remove from Redis what is no view of the project, or kept out of Redis; references of what went."""
        from sync.online.connect import redis_failures
        from sync.online.prune import left_over, prune

        views = [view for view in self._current_registry().views.values() if view.online]
        client = self._client
        with redis_failures(self.redis_url):
            found = left_over(client, self.project.name, views)
            return found if dry_run else list(prune(client, self.project.name, found))

    def push(self, view: str, rows: Any) -> "Pushed":
        """Write rows of a view as they happen; newer ones in Redis stay, and the warehouse catches up later.

        `rows`: a list of mappings, or a pyarrow, pandas or polars table, with the view's columns. Without a
        created timestamp they were created now.
        """
        from sync.frames import as_table
        from sync.online.connect import redis_failures
        from sync.online.push import push_rows

        found, table = self.registry.view(parse_view(view)), as_table(rows, "the rows to push")
        client = self._client
        with redis_failures(self.redis_url):
            return push_rows(client, self._engine, self.project.name, found, table)

    def stream(
        self,
        view: str,
        *,
        log: str,
        topic: str,
        source: str | None = None,
        keep: str = "2d",
        every: str = "1s",
    ) -> "Generator[Step, None, None]":
        """Run a view's models over the last events of a log, for ever, and push the rows that change.

        `log`: `kafka://host:9092` or `redis://host:6379/0`. `topic`: of Kafka, or the key of a Redis Stream.
        Messages are JSON objects, rows of `source`; by default of the only one that the view rests on.
        `keep`: how far back the models look; so much is read again at the start. `every`: how often they run
        at most.
        """
        from sync.stream.models import live_view
        from sync.stream.open import open_log
        from sync.stream.run import Stream

        kept, pause = parse_duration(keep, where="keep"), parse_duration(every, where="every")
        found = self._current_registry().view(parse_view(view))
        client = self._client
        with (
            live_view(self.project, self.target, found, source) as live,
            closing(open_log(log, topic, now() - kept)) as opened,
        ):
            url, name = self.redis_url, self.project.name
            yield from Stream(name, found, live, opened, url, client, self._engine, kept, pause).steps()

    def verify(self, select: Sequence[str] = (), *, sample: int | None = 1000) -> "list[Verification]":
        """Compare Redis with a point-in-time join at the instant of each view's last sync.

        `sample`: so many entities of each side; None for all.
        """
        from sync.online.connect import redis_failures
        from sync.verify import verify_view

        registry, target, client = self._current_registry(), self.target, self._client
        views = [view for view in registry.select(tuple(select)) if view.online]
        with redis_failures(self.redis_url):
            return [verify_view(self.project, target, registry, client, view, sample) for view in views]

    def status(self, select: Sequence[str] = (), *, online_only: bool = False) -> "list[ViewStatus]":
        """What is in Redis of each view, how fresh it is, and what the warehouse has beside it."""
        from sync.online.connect import redis_failures
        from sync.online.status import view_statuses
        from sync.warehouse.open import open_warehouse

        views = [view for view in self.registry.select(tuple(select)) if view.online]
        client = self._client
        with ExitStack() as opened, redis_failures(self.redis_url):
            warehouse = (
                None if online_only else opened.enter_context(open_warehouse(self.project, self.target))
            )
            return list(view_statuses(client, self.project.name, views, warehouse))

    def get_online_features(
        self,
        entity_keys: Sequence[Any],
        feature_names: "str | Sequence[str]",
        timestamp: "str | datetime | None" = None,
    ) -> "OnlineFeatures":
        """Of each entity the features of a view (`view`, `view@2`), of a service, or a list of references.

        A key is a value, a tuple of the join keys' values in their order, or a mapping by name. Statuses are
        judged as of `timestamp`, by default now.
        """
        from sync.online.connect import redis_failures
        from sync.online.read import OnlineReader, several

        instant = parse_instant(timestamp, where="timestamp")
        client = self._client
        with redis_failures(self.redis_url):
            return OnlineReader(client, self.project.name).get(feature_names, several(entity_keys), instant)

    async def get_online_features_async(
        self,
        entity_keys: Sequence[Any],
        feature_names: "str | Sequence[str]",
        timestamp: "str | datetime | None" = None,
    ) -> "OnlineFeatures":
        """The same from a coroutine: a thread waits, the loop goes on."""
        import asyncio

        return await asyncio.to_thread(self.get_online_features, entity_keys, feature_names, timestamp)

    def split_keys(self, features: "str | Sequence[str]", texts: Sequence[str]) -> list[Any]:
        """Keys as a person types them: `p1`, or `p1,casual` where the features need several parts."""
        from sync.online.connect import redis_failures
        from sync.online.entity_key import split_entity_key, typed_key
        from sync.online.read import OnlineReader

        with redis_failures(self.redis_url):
            join_keys = OnlineReader(self._client, self.project.name).join_keys(features)
        keys = [[text] if len(join_keys) == 1 else split_entity_key(text) for text in texts]
        # A wrong number of parts is the reader's to tell.
        return [
            [typed_key(key, part) for key, part in zip(join_keys, parts, strict=True)]
            if len(parts) == len(join_keys)
            else parts
            for parts in keys
        ]
