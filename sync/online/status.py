"""What is in Redis of each view, beside what the warehouse has of it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sync.instants import now
from sync.online import layout
from sync.online.layout import ViewMeta
from sync.online.read import read_meta
from sync.registry.views import FeatureView
from sync.warehouse.latest import Counts, Latest
from sync.warehouse.warehouse import Warehouse


class ViewStatus(NamedTuple):
    """`online`, `offline`: entities served, in Redis and (about) in the warehouse. Times in seconds.

    `freshness`: age of the newest event online, which may not exceed `sla`. `lag`: since the last sync.
    `behind`: rows that the warehouse came to know since, None when it was not asked. `ahead`: entities that
    were pushed past the warehouse. `memory`: bytes.
    """

    view: str
    state: str
    online: int = 0
    offline: int | None = None
    behind: int | None = None
    freshness: float | None = None
    sla: float | None = None
    lag: float | None = None
    ahead: int = 0
    memory: int = 0
    shards: int = 1
    fingerprint: str = ""

    @property
    def failed(self) -> bool:
        return self.state != "ok"


def view_statuses(
    client: Any, project: str, views: Sequence[FeatureView], warehouse: Warehouse | None
) -> Iterator[ViewStatus]:
    for view in views:
        meta = read_meta(client, project, view.reference)
        yield _absent(view) if meta is None else _status(client, project, view, meta, warehouse)


def _absent(view: FeatureView) -> ViewStatus:
    return ViewStatus(view.reference, "not in Redis", sla=_seconds(view.sla), fingerprint=view.fingerprint)


def _status(
    client: Any, project: str, view: FeatureView, meta: ViewMeta, warehouse: Warehouse | None
) -> ViewStatus:
    instant = now()
    shards = layout.shard_keys(project, view.reference, meta.shards, meta.fingerprint)
    watermark = meta.source.watermark if meta.source else 0
    freshness = (instant - meta.max_event) / 1e6 if meta.max_event else None
    offline = behind = None
    if warehouse is not None:
        counts = Counts(*warehouse.row(Latest(view, warehouse, instant).counts()))
        offline, behind = counts.entities, max(0, counts.created - (meta.source.known if meta.source else 0))
    state = "ok"
    if meta.fingerprint != view.fingerprint or meta.shards != view.shards:
        state = "defined otherwise"
    elif view.sla is not None and (freshness is None or freshness * 1e6 > view.sla):
        state = "past its sla"
    return ViewStatus(
        view=view.reference,
        state=state,
        online=sum(client.hlen(keys.rows) for keys in shards),
        offline=offline,
        behind=behind,
        freshness=freshness,
        sla=_seconds(view.sla),
        lag=(instant - meta.synced_at) / 1e6,
        ahead=sum(client.zcount(keys.pushed, f"({watermark}", "+inf") for keys in shards),
        memory=sum(client.memory_usage(keys.rows) or 0 for keys in shards),
        shards=meta.shards,
        fingerprint=meta.fingerprint,
    )


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6
