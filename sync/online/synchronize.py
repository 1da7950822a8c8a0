"""The way of views from the warehouse into Redis."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import redis

from sync.errors import FsyncError
from sync.instants import now, to_text
from sync.online.connect import RedisUnavailable, redis_failures
from sync.online.render import render
from sync.online.write import write_view
from sync.project import Project, Target
from sync.registry.durations import format_duration
from sync.registry.views import FeatureView
from sync.warehouse.cost import Estimate, estimate
from sync.warehouse.latest import Counts, latest_query
from sync.warehouse.open import open_warehouse
from sync.warehouse.warehouse import WarehouseUnavailable


class SyncResult(NamedTuple):
    """`kept`: rows that are newer in Redis. `incomplete`: rows without a key or event timestamp, left out.

    `estimate`: of a dry run where queries are billed, which then runs none.
    """

    view: str
    rows: int = 0
    kept: int = 0
    removed: int = 0
    incomplete: int = 0
    seconds: float = 0.0
    dry_run: bool = False
    estimate: Estimate | None = None
    warning: str | None = None
    error: str | None = None


class Progress(NamedTuple):
    """Called while a view is synced, with the number of rows since the last call."""

    start: Callable[[str], None]
    read: Callable[[int], None]
    write: Callable[[int, int], None]


class Sync(NamedTuple):
    project: Project
    target: Target
    redis_url: str
    client: "redis.Redis | None"
    as_of: int
    explicit_as_of: bool
    full_refresh: bool = False
    progress: Progress | None = None

    def views(self, views: Sequence[FeatureView]) -> Iterator[SyncResult]:
        for view in views:
            started = time.monotonic()
            if self.progress:
                self.progress.start(view.reference)
            try:
                with redis_failures(self.redis_url):
                    result = self._view(view)
            except (RedisUnavailable, WarehouseUnavailable):
                # Every other view would fail alike.
                raise
            except FsyncError as error:
                message = str(error) if view.reference in str(error) else f"{view.reference}: {error}"
                result = SyncResult(view.reference, error=message)
            yield result._replace(seconds=time.monotonic() - started, dry_run=self.client is None)

    def _view(self, view: FeatureView) -> SyncResult:
        progress = self.progress
        with open_warehouse(self.project, self.target) as warehouse:
            query = latest_query(view, warehouse, self.as_of)
            billed = None if self.client else warehouse.scanned(query.rows)
            if billed is not None:
                total = billed + (warehouse.scanned(query.counts) or 0)
                return SyncResult(view.reference, estimate=estimate(total))
            counts = Counts(*warehouse.row(query.counts))
            with warehouse.arrow(query.rows) as batches:
                rows = render(view, batches, progress.read if progress else None)
        # The warehouse is closed before Redis is written: a dbt run need not wait for that.
        with rows:
            result = SyncResult(view.reference, rows=rows.count, incomplete=counts.incomplete)
            if self.client is not None:
                written = write_view(
                    self.client,
                    self.project.name,
                    view,
                    rows,
                    as_of=self.as_of,
                    synced_at=now(),
                    full_refresh=self.full_refresh,
                    forbid_older=self.explicit_as_of,
                    on_rows=(lambda count: progress.write(count, rows.count)) if progress else None,
                )
                result = result._replace(kept=written.kept, removed=written.removed)
        if counts.incomplete:
            columns = ", ".join([*(key.name for key in view.join_keys), view.event_timestamp])
            noun = "row has" if counts.incomplete == 1 else "rows have"
            result = result._replace(
                error=f"{view.reference}: {counts.incomplete:,} {noun} a NULL in {columns}, left out; "
                "the rest is synced; filter or fix them in the model"
            )
        return result._replace(warning=_emptiness(view, counts, self.as_of) if not rows.count else None)


def _emptiness(view: FeatureView, counts: Counts, as_of: int) -> str:
    if not counts.rows:
        return f"{view.relation} is empty"
    if not counts.known:
        return f"none of {counts.rows:,} rows was known at {to_text(as_of)}"
    ttl = format_duration(view.ttl or 0)
    return (
        f"all {counts.known:,} rows are past their ttl ({ttl}) at {to_text(as_of)}; --as-of replays old data"
    )
