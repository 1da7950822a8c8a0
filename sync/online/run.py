"""A run for one view: all rows aside and swapped in, or what changed since the last."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack
from typing import NamedTuple

from sync.engine import Engine
from sync.errors import FsyncError
from sync.instants import now, to_text
from sync.online import layout
from sync.online.ahead import read_ahead
from sync.online.layout import Source, ViewMeta
from sync.online.render import Frames, Renderer
from sync.online.write import ViewWriter
from sync.registry.durations import format_duration
from sync.registry.views import FeatureView
from sync.warehouse.cost import Estimate
from sync.warehouse.latest import Changes, Counts, Latest
from sync.warehouse.warehouse import Warehouse


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


class Run(NamedTuple):
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
            with read_ahead(self._newest(renderer, counts)) as frames:
                staged = writer.stage(frames)
            if staged.added < staged.rows:
                self._judge_ties()
            carried = writer.carry(counts.watermark, kin)
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
                source=Source(counts.watermark, counts.created, view.lineage, counts.checksum),
            )
            writer.swap(meta, self.live)
        writer.pushed.forget(counts.watermark)
        return SyncResult(
            view.reference,
            rows=staged.rows,
            written=staged.added,
            kept=carried,
            entities=rows,
            incomplete=counts.incomplete,
            full=why,
            warning=None if rows else emptiness(view, counts, self.as_of),
        )

    def changes(self, live: ViewMeta, source: Source, since: int) -> "SyncResult | str":
        """What changed since the last sync, each row in its place; or why that would not be enough."""
        view, writer = self.view, self.writer
        with ExitStack() as opened:
            renderer = opened.enter_context(Renderer(view, self.engine))
            with self.open_warehouse() as warehouse:
                latest = self._latest(warehouse)
                if live.pending and not self._still_holds(live.pending, warehouse, latest):
                    return "rows of a sync that was interrupted are gone"
                changes = Changes(*warehouse.row(latest.changes(source.watermark)))
                if changes.behind > source.known:
                    return "rows came in behind the watermark"
                if changes.behind == source.known and source.checksum not in (None, changes.checksum_behind):
                    return "rows behind the watermark were replaced"
                with warehouse.arrow(latest.changed_rows(since, live.as_of)) as batches:
                    rows = renderer.keep(batches)
                fields: list[list[str]] = []
                if expired := latest.expired_keys(since, live.as_of):
                    with warehouse.arrow(expired) as batches:
                        fields = list(renderer.fields(batches))
                gone = source.known - changes.behind
                known, served = warehouse.row(latest.entities()) if gone else (0, 0)
            self.started(view.reference, None, rows)
            watermark = max(source.watermark, changes.watermark)
            reached = Source(
                watermark,
                changes.behind + changes.created,
                view.lineage,
                changes.checksum_behind + changes.checksum,
            )
            if rows:
                writer.announce(reached)
            # What an interrupted sync wrote may be of later events.
            merged = writer.merge(renderer.kept(None if live.pending else live.max_event))
        removed = 0
        if view.ttl is None:
            writer.pushed.forget(watermark)
        else:
            served_from = self.as_of - view.ttl
            writer.pushed.stray(watermark)
            removed = writer.expire(fields, served_from) + writer.pushed.expire(served_from)
        entities = writer.rows()
        # In a table of one row an entity, a row that goes is one that was updated: it came again, changed.
        if gone and (reached.known, gone) != (known, merged.rows - merged.added):
            return "rows are gone from the warehouse"
        if gone and entities != served:
            return "entities are gone from the warehouse"
        writer.save(
            self._meta(
                rows=entities,
                max_event=max(live.max_event, renderer.max_event),
                max_created=max(live.max_created, renderer.max_created),
                source=reached,
            )
        )
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

    def _still_holds(self, pending: Source, warehouse: Warehouse, latest: Latest) -> bool:
        """Whether all that an interrupted sync may have written is in the warehouse."""
        behind = Changes(*warehouse.row(latest.changes(pending.watermark)))
        return (behind.behind, behind.checksum_behind) == (pending.known, pending.checksum)

    def _latest(self, warehouse: Warehouse) -> Latest:
        return Latest(self.view, warehouse, self.as_of)

    def _newest(self, renderer: Renderer, counts: Counts) -> Generator[Frames, None, None]:
        with self.open_warehouse() as warehouse:
            latest = self._latest(warehouse)
            for sql in latest.queries(counts):
                with warehouse.arrow(sql) as batches:
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
            return emptiness(self.view, Counts(*warehouse.row(self._latest(warehouse).counts())), self.as_of)

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


def emptiness(view: FeatureView, counts: Counts, as_of: int) -> str:
    if not counts.rows:
        return f"{view.relation} is empty"
    if not counts.known:
        return f"none of {counts.rows:,} rows was known at {to_text(as_of)}"
    ttl = format_duration(view.ttl or 0)
    return (
        f"all {counts.known:,} rows are past their ttl ({ttl}) at {to_text(as_of)}; --as-of replays old data"
    )
