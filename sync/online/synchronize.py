"""The way of views from the warehouse into Redis."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sync.engine import Engine
from sync.errors import FsyncError
from sync.instants import now, to_text
from sync.online import layout
from sync.online.connect import RedisUnavailable, redis_failures
from sync.online.layout import ViewMeta
from sync.online.lock import ViewLock, view_lock
from sync.online.pipe import THROTTLED, Speed
from sync.online.pushed import settle
from sync.online.read import read_meta
from sync.online.render import Renderer
from sync.online.run import Run, SyncResult, emptiness
from sync.online.write import ViewWriter, write_latest
from sync.project import Project, Target
from sync.registry.views import FeatureView
from sync.warehouse.cost import estimate
from sync.warehouse.latest import Counts, Latest
from sync.warehouse.open import open_warehouse
from sync.warehouse.warehouse import WarehouseUnavailable

# Of the DuckDB in this process: hash tables of more entities spill to disk.
MEMORY = "200MB"
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)


class Progress(NamedTuple):
    """Called while a view is synced.

    `start`: its name, why all of it is written (or None), about how many rows. `write`: rows since the last
    call. `retry`: its name, what failed, seconds until it is tried again.
    """

    start: Callable[[str, "str | None", "int | None"], None]
    write: Callable[[int], None]
    retry: Callable[[str, str, float], None] = lambda _view, _error, _seconds: None


class Options(NamedTuple):
    """`as_of`: None for now. `since`: send what was created since this instant, µs, whatever was synced."""

    as_of: int | None = None
    full_refresh: bool = False
    since: int | None = None
    speed: Speed = THROTTLED
    wait: float = 0.0
    retries: int = len(RETRY_SECONDS)


class Sync(NamedTuple):
    project: Project
    target: Target
    redis_url: str
    client: Any
    options: Options
    owner: str
    progress: Progress | None = None

    def views(self, views: Sequence[FeatureView]) -> Iterator[SyncResult]:
        with Engine(MEMORY, self.options.speed.threads) as engine:
            for view in views:
                started = time.monotonic()
                try:
                    result = self._repeatedly(view, engine)
                except (RedisUnavailable, WarehouseUnavailable):
                    # Every other view would fail alike.
                    raise
                except FsyncError as error:
                    message = str(error) if view.reference in str(error) else f"{view.reference}: {error}"
                    result = SyncResult(view.reference, error=message)
                yield result._replace(seconds=time.monotonic() - started, dry_run=self.client is None)

    def _repeatedly(self, view: FeatureView, engine: Engine) -> SyncResult:
        """A run that fails leaves nothing to mend, so the next one simply starts anew."""
        for seconds in RETRY_SECONDS[: self.options.retries]:
            try:
                with redis_failures(self.redis_url):
                    return self._view(view, engine)
            except RedisUnavailable as error:
                if self.progress:
                    self.progress.retry(view.reference, str(error), seconds)
                time.sleep(seconds)
        with redis_failures(self.redis_url):
            return self._view(view, engine)

    def _view(self, view: FeatureView, engine: Engine) -> SyncResult:
        if self.client is None:
            return self._dry_run(view, engine)
        keys = layout.shard_keys(self.project.name, view.reference, view.shards, view.fingerprint)
        locks = [key.lock for key in keys]
        with view_lock(self.client, locks, view.reference, self.owner, self.options.wait) as lock:
            result = self._locked(view, lock, engine)
        write_latest(self.client, self.project.name, view)
        return _told(view, result)

    def _locked(self, view: FeatureView, lock: ViewLock, engine: Engine) -> SyncResult:
        options = self.options
        live = read_meta(self.client, self.project.name, view.reference, lenient=options.full_refresh)
        if live:
            settle(self.client, self.project.name, live)
        as_of = now() if options.as_of is None else options.as_of
        if live and live.rows and not options.full_refresh and as_of < live.as_of:
            if options.as_of is not None:
                raise FsyncError(
                    f"{view.reference} is in Redis as of {to_text(live.as_of)}, later than the --as-of "
                    "given; to go back in time, add --full-refresh"
                )
            # Another machine's clock is ahead of ours.
            as_of = live.as_of
        writer = ViewWriter(
            self.client,
            self.project.name,
            view,
            lock,
            options.speed,
            self.progress.write if self.progress else None,
        )
        run = Run(
            view,
            lambda: open_warehouse(self.project, self.target, engine),
            engine,
            writer,
            as_of,
            live,
            self.progress.start if self.progress else lambda *_: None,
        )
        full = self._full_because(view, live)
        if full is None and live and live.source:
            since = live.source.watermark if options.since is None else options.since
            changed = run.changes(live, live.source, since)
            if isinstance(changed, SyncResult):
                return changed
            full = changed
        return run.full(full or "")

    def _full_because(self, view: FeatureView, live: ViewMeta | None) -> str | None:
        if self.options.full_refresh:
            return "full refresh"
        if live is None:
            return "first sync"
        if live.fingerprint != view.fingerprint or live.shards != view.shards:
            return "the view changed"
        if live.source is None or live.source.lineage != view.lineage:
            return "a model or macro above the view changed"
        return None if view.created_timestamp else "the view has no created_timestamp"

    def _dry_run(self, view: FeatureView, engine: Engine) -> SyncResult:
        as_of = now() if self.options.as_of is None else self.options.as_of
        opened = open_warehouse(self.project, self.target, engine)
        with opened as warehouse, Renderer(view, engine) as renderer:
            latest = Latest(view, warehouse, as_of)
            billed = warehouse.scanned(latest.rows())
            if billed is not None:
                total = billed + (warehouse.scanned(latest.counts()) or 0)
                return SyncResult(view.reference, estimate=estimate(total))
            counts = Counts(*warehouse.row(latest.counts()))
            with warehouse.arrow(latest.rows()) as batches:
                rows = renderer.keep(batches)
        result = SyncResult(view.reference, rows=rows, incomplete=counts.incomplete)
        return _told(view, result._replace(warning=emptiness(view, counts, as_of) if not rows else None))


def _told(view: FeatureView, result: SyncResult) -> SyncResult:
    if not result.incomplete:
        return result
    columns = ", ".join([*(key.name for key in view.join_keys), view.event_timestamp])
    noun = "row has" if result.incomplete == 1 else "rows have"
    return result._replace(
        error=f"{view.reference}: {result.incomplete:,} {noun} a NULL in {columns}, left out; "
        "the rest is synced; filter or fix them in the model"
    )
