"""The way of views from the warehouse into Redis."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

from sync.engine import Engine
from sync.errors import FsyncError
from sync.instants import now, to_text
from sync.online import layout
from sync.online.ahead import read_ahead
from sync.online.connect import RedisUnavailable, redis_failures
from sync.online.layout import Source, ViewMeta
from sync.online.lock import ViewLock, view_lock
from sync.online.pipe import THROTTLED, Speed
from sync.online.read import read_meta
from sync.online.render import Frames, Renderer
from sync.online.write import ViewWriter, write_latest
from sync.project import Project, Target
from sync.registry.durations import format_duration
from sync.registry.views import FeatureView
from sync.warehouse.cost import Estimate, estimate
from sync.warehouse.latest import Changes, Counts, Latest
from sync.warehouse.open import open_warehouse
from sync.warehouse.warehouse import Warehouse, WarehouseUnavailable

# Of the DuckDB in this process: hash tables of more entities spill to disk.
MEMORY = "200MB"
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)


class SyncResult(NamedTuple):
    """`rows` of the warehouse, of which `written` changed Redis; `kept`: rows that are newer in Redis.

    `full`: why all rows were written, None where only changes were. `entities`: in Redis afterwards.
    `incomplete`: rows without a key or event timestamp, left out. `estimate`: of a dry run where queries are
    billed, which then runs none.
    """

    view: str
    rows: int = 0
    written: int = 0
    kept: int = 0
    removed: int = 0
    entities: int = 0
    incomplete: int = 0
    seconds: float = 0.0
    full: str | None = None
    dry_run: bool = False
    estimate: Estimate | None = None
    warning: str | None = None
    error: str | None = None


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
        run = _Run(
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
        return _told(view, result._replace(warning=_emptiness(view, counts, as_of) if not rows else None))


class _Run(NamedTuple):
    """One view at one instant. The warehouse is closed as soon as it was read: a dbt run may be waiting."""

    view: FeatureView
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]]
    engine: Engine
    writer: ViewWriter
    as_of: int
    live: ViewMeta | None
    started: Callable[[str, "str | None", "int | None"], None]

    def full(self, why: str) -> SyncResult:
        """All rows aside, then swapped in."""
        view, writer = self.view, self.writer
        kin = self.live if self.live and self.live.suits(view) else None
        with self.open_warehouse() as warehouse:
            counts = Counts(*warehouse.row(self._latest(warehouse).counts()))
        self.started(view.reference, why, counts.entities)
        with Renderer(view, self.engine) as renderer, writer.aside(pushed=kin is not None):
            with read_ahead(self._newest(renderer, counts.entities)) as frames:
                staged = writer.stage(frames)
            if staged.added < staged.rows:
                self._judge_ties()
            carried = writer.carry(counts.watermark)
            rows = writer.staged()
            if rows < staged.added:
                raise FsyncError(
                    f"{view.reference}: Redis holds {rows} of {staged.added} rows written; it evicted "
                    "the rest (see its maxmemory-policy), so nothing was changed"
                )
            ahead = kin if carried else None
            meta = self._meta(
                rows=rows,
                max_event=max(renderer.max_event, ahead.max_event if ahead else 0),
                max_created=max(renderer.max_created, ahead.max_created if ahead else 0),
                source=Source(counts.watermark, counts.created, view.lineage),
            )
            writer.swap(meta, self.live)
        writer.forget_pushed(counts.watermark)
        return SyncResult(
            view.reference,
            rows=staged.rows,
            written=staged.added,
            kept=carried,
            entities=rows,
            incomplete=counts.incomplete,
            full=why,
            warning=None if rows else _emptiness(view, counts, self.as_of),
        )

    def changes(self, live: ViewMeta, source: Source, since: int) -> "SyncResult | str":
        """What changed since the last sync, each row in its place; or why that would not be enough."""
        view, writer = self.view, self.writer
        with ExitStack() as opened:
            renderer = opened.enter_context(Renderer(view, self.engine))
            with self.open_warehouse() as warehouse:
                latest = self._latest(warehouse)
                changes = Changes(*warehouse.row(latest.changes(source.watermark)))
                if changes.behind > source.known:
                    return "rows came in behind the watermark"
                with warehouse.arrow(latest.changed_rows(since, live.as_of)) as batches:
                    rows = renderer.keep(batches)
                fields: list[list[str]] = []
                if expired := latest.expired_keys(since, live.as_of):
                    with warehouse.arrow(expired) as batches:
                        fields = list(renderer.fields(batches))
                gone = source.known - changes.behind
                served = warehouse.row(latest.entities())[0] if gone else 0
            self.started(view.reference, None, rows)
            merged = writer.merge(renderer.kept())
        removed = writer.expire(fields, self.as_of - (view.ttl or 0))
        watermark = max(source.watermark, changes.watermark)
        entities = writer.rows()
        # In a table of one row an entity, a row that goes is one that was updated: it came again, changed.
        if gone and gone != merged.rows - merged.added:
            return "rows are gone from the warehouse"
        if gone and not entities - writer.ahead(watermark) <= served <= entities:
            return "entities are gone from the warehouse"
        writer.save(
            self._meta(
                rows=entities,
                max_event=max(live.max_event, renderer.max_event),
                max_created=max(live.max_created, renderer.max_created),
                source=Source(watermark, changes.behind + changes.created, view.lineage),
            )
        )
        writer.forget_pushed(watermark)
        return SyncResult(
            view.reference,
            rows=rows,
            written=merged.written,
            kept=merged.kept,
            removed=removed,
            entities=entities,
            incomplete=changes.incomplete,
            warning=None if entities else self._why_empty(),
        )

    def _latest(self, warehouse: Warehouse) -> Latest:
        return Latest(self.view, warehouse, self.as_of)

    def _newest(self, renderer: Renderer, entities: int) -> Generator[Frames, None, None]:
        with self.open_warehouse() as warehouse:
            latest = self._latest(warehouse)
            for part in latest.parts(entities):
                with warehouse.arrow(latest.rows(part)) as batches:
                    yield from renderer.stream(batches)

    def _judge_ties(self) -> None:
        with (
            self.open_warehouse() as warehouse,
            Renderer(self.view, self.engine) as renderer,
            warehouse.arrow(self._latest(warehouse).ties()) as batches,
        ):
            renderer.keep(batches)

    def _why_empty(self) -> str:
        with self.open_warehouse() as warehouse:
            return _emptiness(self.view, Counts(*warehouse.row(self._latest(warehouse).counts())), self.as_of)

    def _meta(self, *, rows: int, max_event: int, max_created: int, source: Source) -> ViewMeta:
        return layout.meta_of(
            self.view,
            as_of=self.as_of,
            synced_at=now(),
            rows=rows,
            max_event=max_event,
            max_created=max_created,
            source=source,
        )


def _told(view: FeatureView, result: SyncResult) -> SyncResult:
    if not result.incomplete:
        return result
    columns = ", ".join([*(key.name for key in view.join_keys), view.event_timestamp])
    noun = "row has" if result.incomplete == 1 else "rows have"
    return result._replace(
        error=f"{view.reference}: {result.incomplete:,} {noun} a NULL in {columns}, left out; "
        "the rest is synced; filter or fix them in the model"
    )


def _emptiness(view: FeatureView, counts: Counts, as_of: int) -> str:
    if not counts.rows:
        return f"{view.relation} is empty"
    if not counts.known:
        return f"none of {counts.rows:,} rows was known at {to_text(as_of)}"
    ttl = format_duration(view.ttl or 0)
    return (
        f"all {counts.known:,} rows are past their ttl ({ttl}) at {to_text(as_of)}; --as-of replays old data"
    )
