"""A log's events into Redis: read, run the models, push what changed, over and over."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from sync.engine import Engine
from sync.instants import now
from sync.online.connect import RedisUnavailable, redis_failures
from sync.online.push import push_rows
from sync.registry.views import FeatureView
from sync.stream.live import Added, LiveView
from sync.stream.log import Batch, EventLog, LogUnavailable

# Time alone may bring a row into effect.
LONGEST_WAIT = 60.0
RETRY_SECONDS = 2.0


class Step(NamedTuple):
    """`events` came, besides `refused` messages; `kept` are held. Of the `rows` that changed, `written` were
    newer than those in Redis. `seconds`: to run the models and push. `behind`: seconds since the newest event
    arrived. `error`: why it cannot go on for the moment; nothing is lost by that.
    """

    events: int = 0
    refused: int = 0
    fault: str | None = None
    kept: int = 0
    rows: int = 0
    written: int = 0
    seconds: float = 0.0
    behind: float | None = None
    error: str | None = None


class Stream(NamedTuple):
    """`keep`, `every`: µs. `redis`: its URL."""

    project: str
    view: FeatureView
    live: LiveView
    log: EventLog
    redis: str
    client: Any
    engine: Engine
    keep: int
    every: int

    def steps(self) -> Iterator[Step]:
        """For ever. The first step comes when all that stood in the log was read."""
        added, newest, last = Added(0, 0, None), 0, time.monotonic()
        while True:
            try:
                batch = self.log.read(self.every / 1e6)
            except LogUnavailable as error:
                yield Step(error=str(error))
                time.sleep(RETRY_SECONDS)
                batch = Batch([], [])
            if batch.values:
                added = _sum(added, self.live.add(batch))
                newest = max(newest, *batch.arrived)
            waited = time.monotonic() - last
            if not self.log.caught_up or not (newest or waited > LONGEST_WAIT) or waited < self.every / 1e6:
                continue
            last = time.monotonic()
            kept = self.live.forget(now() - self.keep)
            rows = self.live.changed(now())
            try:
                with redis_failures(self.redis):
                    written = push_rows(self.client, self.engine, self.project, self.view, rows).written
            except RedisUnavailable as error:
                yield Step(error=str(error))
                time.sleep(RETRY_SECONDS)
                continue
            self.live.pushed()
            yield Step(
                added.events,
                added.refused,
                added.fault,
                kept,
                rows.num_rows,
                written,
                time.monotonic() - last,
                (now() - newest) / 1e6 if newest else None,
            )
            added, newest = Added(0, 0, None), 0


def _sum(one: Added, other: Added) -> Added:
    return Added(one.events + other.events, one.refused + other.refused, one.fault or other.fault)
