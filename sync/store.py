"""The library behind every command."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from sync.errors import FsyncError
from sync.instants import now, parse_instant
from sync.project import Target, open_project, read_target
from sync.registry.durations import parse_duration
from sync.registry.manifest import ManifestFile
from sync.registry.references import parse_view
from sync.registry.registry import FeatureService, Registry, load_registry
from sync.registry.views import FeatureView

if TYPE_CHECKING:
    from sync.changes.diff import Diff
    from sync.changes.plan import Plan
    from sync.engine import Engine
    from sync.lineage.graph import Lineage
    from sync.lint.finding import Report
    from sync.lint.time_travel import TimeTravel
    from sync.monitoring.drift import ViewDrift
    from sync.offline.historical import HistoricalFeatures
    from sync.online.push import Pushed
    from sync.online.read import OnlineFeatures
    from sync.online.run import SyncResult
    from sync.online.status import ViewStatus
    from sync.online.synchronize import Progress
    from sync.online.tokens import Token, TokenStore
    from sync.redis_server import RedisServer
    from sync.stream.run import Step
    from sync.verify import Verification


class SyncError(FsyncError):
    """Some views could not be synced, or not wholly; `results` tells of each."""

    def __init__(self, message: str, results: "list[SyncResult]") -> None:
        super().__init__(message)
        self.results = results


class FeatureStore:
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

    def __enter__(self) -> "FeatureStore":
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

    @cached_property
    def _engine(self) -> "Engine":
        from sync.engine import Engine

        return Engine()

    def views(self) -> list[FeatureView]:
        return list(self.registry.views.values())

    def services(self) -> list[FeatureService]:
        return list(self.registry.services.values())

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
        from sync.stream.log import open_log
        from sync.stream.models import live_view
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

    def plan(self, state: "str | Path | None" = None, *, save: bool = False) -> "Plan":
        """What changes between `state` (default: what was synced or saved last) and the project as it stands.

        `state`: a file that a sync or `save` wrote, or its folder. `save`: the next plan compares with the
        project as it stands now; where there is none yet, everything is new. Takes dbt's start-up.
        """
        from sync.changes.plan import make_plan
        from sync.changes.project_state import state_of
        from sync.changes.state import FILE, read_state, write_state
        from sync.registry.compiled import compile_project

        target = self.target
        last = self.project.target_path / "fsync" / FILE
        first = save and state is None and not last.exists()
        old = None if first else read_state(Path(state).expanduser() if state else last)
        new = state_of(compile_project(self.project, target, self._profile), self.project, target)
        plan = make_plan(old, new)
        if save:
            write_state(new, last)
        return plan

    def diff(
        self,
        before: str,
        after: str | None = None,
        *,
        against: "str | Path | None" = None,
        tolerance: float = 0.0,
        examples: int = 5,
    ) -> "Diff":
        """Two versions of a view, or (`against` a DuckDB file or another target) two builds of one.

        `against` is the build before, the project's target the one after.
        """
        from sync.changes.diff import Side, diff_views
        from sync.warehouse.open import open_warehouse
        from sync.warehouse.other import other_build

        target = self.target
        view = self.registry.view(parse_view(before))
        with open_warehouse(self.project, target) as warehouse:
            if against is not None:
                other = self._other_target(against)
                relation = other_build(warehouse, view.relation, other)
                sides = [Side(f"{view.reference} in {against}", replace(view, relation=relation))]
                sides.append(Side(f"{view.reference} in {target.name}", view))
            else:
                newer = self.registry.view(parse_view(after or before))
                sides = [Side(view.reference, view), Side(newer.reference, newer)]
            return diff_views(
                warehouse, target.settings["type"], *sides, tolerance=tolerance, examples=examples
            )

    def drift(
        self,
        select: Sequence[str] = (),
        *,
        baseline: "str | Path | datetime" = "7d",
        as_of: "str | datetime | None" = None,
    ) -> "list[ViewDrift]":
        """How the features of the entities served at `as_of`, by default now, differ from a baseline's.

        `baseline`: those served so long before (`7d`) or at an instant; or a training set, a Parquet file of
        `fsync historical`, whose features are compared.
        """
        from sync.engine import Engine
        from sync.monitoring.drift import open_baseline, view_drift, views_of
        from sync.warehouse.open import open_warehouse

        # Of now the whole second: it is told, and given again.
        instant = parse_instant(as_of) if as_of is not None else now() // 1_000_000 * 1_000_000
        known = open_baseline(baseline, instant)
        views = views_of(self._current_registry(), tuple(select), known)
        with Engine() as engine, open_warehouse(self.project, self.target, engine) as warehouse:
            return [view_drift(view, warehouse, engine, known, instant) for view in views]

    def _other_target(self, against: "str | Path") -> Target:
        path = Path(against).expanduser()
        if path.suffix or path.exists():
            return Target(str(path), {"type": "duckdb", "path": str(path.absolute())}, path)
        return read_target(self.project, self._profiles_dir, self._profile, str(against))

    def get_historical_features(
        self,
        entity_df: Any,
        features: "str | Sequence[str]",
        *,
        timestamp: str = "event_timestamp",
        as_known_at: "str | datetime | None" = None,
        hindsight: bool = False,
        ages: bool = False,
        full_names: bool = False,
        defaults: bool = True,
    ) -> "HistoricalFeatures":
        """The features of each row of a spine, as they were known at its own instant.

        `entity_df`: a pyarrow, pandas or polars table, a .parquet or .csv file, a SELECT, or a model's name.
        `features`: a feature service, or a list of references. `as_known_at`: rows created after this instant
        are left out. `hindsight`: late rows and corrections count also where they were not yet known.
        """
        from sync.offline.historical import HistoricalFeatures, Options

        known = None if as_known_at is None else parse_instant(as_known_at, where="as_known_at")
        options = Options(timestamp, hindsight, known, ages, full_names, defaults)
        target = self.target
        return HistoricalFeatures(
            self.project, target, self._current_registry(), entity_df, features, options
        )

    def lint(self, select: Sequence[str] = ()) -> "Report":
        """What may leak the future into features, in the SQL of all models, or of `select` and inputs."""
        from sync.lint.project import lint_project
        from sync.registry.compiled import compile_project

        target = self.target
        return lint_project(self.project, compile_project(self.project, target, self._profile), tuple(select))

    def lineage(self) -> "Lineage":
        """Of every column what it is made of, and who reads it."""
        from sync.lineage.project import project_lineage

        return project_lineage(self.project, self.target, self._current_registry())

    def time_travel(self, view: str, *, instants: int = 3, seed: int = 0) -> "TimeTravel":
        """Whether a view built from what was known at instants of the past says what it says of them now.

        Builds in a scratch DuckDB file; dbt's start-up and as many builds as instants, and one.
        """
        from sync.lint.time_travel import time_travel

        return time_travel(self.project, self.target, view, instants, seed)

    def _current_registry(self) -> Registry:
        registry = self.registry
        if registry.stale:
            raise FsyncError(
                f"{', '.join(registry.stale)} changed after the manifest in {self.project.target_path} "
                "was written; run `dbt build` (or `dbt parse`)"
            )
        return registry

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

    def create_token(
        self, service: str, *, expires: str | None = None, pii: bool = False, rate: int | None = None
    ) -> "tuple[Token, str]":
        """A token that reads one feature service over HTTP, and its secret, which is stored nowhere."""
        from sync.online.tokens import REQUESTS_PER_SECOND

        instant = now()
        with self._token_store() as tokens:
            return tokens.create(service, instant, _after(instant, expires), pii, rate or REQUESTS_PER_SECOND)

    def tokens(self) -> "list[Token]":
        with self._token_store() as tokens:
            return tokens.all()

    def rotate_token(
        self, identity: str, *, grace: str = "1h", expires: str | None = None
    ) -> "tuple[Token, str]":
        """Another token with the same grants; the old one ends after the grace period."""
        instant = now()
        with self._token_store() as tokens:
            until = _after(instant, grace) or instant
            return tokens.rotate(identity, instant, until, _after(instant, expires))

    def revoke_token(self, identity: str) -> "Token":
        with self._token_store() as tokens:
            return tokens.revoke(identity, now())

    @contextmanager
    def _token_store(self) -> "Iterator[TokenStore]":
        from sync.online.connect import redis_failures
        from sync.online.tokens import TokenStore

        client = self._client
        with redis_failures(self.redis_url):
            yield TokenStore(client, self.project.name)

    @cached_property
    def _client(self) -> Any:
        from sync.online.connect import connect

        if self.uses_own_redis:
            self.server.start()
        return connect(self.redis_url)


def _after(instant: int, duration: str | None) -> int | None:
    return None if duration is None else instant + parse_duration(duration, where="the duration")
