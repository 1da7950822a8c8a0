"""Counts in Prometheus' text format: of all workers, since any of them may be asked."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from sync.instants import now
from sync.online.judge import Status
from sync.online.layout import ViewMeta
from sync.serving.found import Found

# Seconds.
BOUNDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_OUTCOMES: dict[Status, str] = {"PRESENT": "found", "NOT_FOUND": "missing", "OUTSIDE_MAX_AGE": "expired"}


class Histogram(msgspec.Struct):
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0

    def add(self, other: "Histogram") -> None:
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]
        self.sum += other.sum

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def lines(self, name: str, labels: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.buckets, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self.sum:.6f}"
        yield f"{name}_count{{{labels}}} {total}"


class Metrics(msgspec.Struct):
    requests: dict[tuple[str, int], int] = msgspec.field(default_factory=Counter)
    latency: dict[str, Histogram] = msgspec.field(default_factory=lambda: defaultdict(Histogram))
    reads: dict[tuple[str, str], Histogram] = msgspec.field(default_factory=lambda: defaultdict(Histogram))
    rows: dict[tuple[str, Status], int] = msgspec.field(default_factory=Counter)
    redis_errors: dict[str, int] = msgspec.field(default_factory=Counter)
    refusals: dict[str, int] = msgspec.field(default_factory=Counter)

    def add(self, other: "Metrics") -> None:
        for mine, theirs in (
            (self.requests, other.requests),
            (self.rows, other.rows),
            (self.redis_errors, other.redis_errors),
            (self.refusals, other.refusals),
        ):
            for name, count in theirs.items():
                mine[name] += count  # type: ignore[index]
        for route, histogram in other.latency.items():
            self.latency[route].add(histogram)
        for read, histogram in other.reads.items():
            self.reads[read].add(histogram)

    def read(self, route: str, view: str, seconds: float, found: Found) -> None:
        self.reads[route, view].observe(seconds)
        if found.complete:
            self.rows[view, "PRESENT"] += len(found.statuses)
            return
        for status in _OUTCOMES:
            if count := found.statuses.count(status):
                self.rows[view, status] += count

    def text(self, metas: Iterable[ViewMeta]) -> str:
        """`metas`: the views online, for their freshness."""
        lines = [
            *_family("fsync_requests_total", "counter", "Requests answered."),
            *(
                f'fsync_requests_total{{route="{route}",status="{status}"}} {count}'
                for (route, status), count in sorted(self.requests.items())
            ),
            *_family("fsync_request_seconds", "histogram", "From a request's head to its answer."),
        ]
        for route, histogram in sorted(self.latency.items()):
            lines += histogram.lines("fsync_request_seconds", f'route="{route}"')
        lines += _family("fsync_read_seconds", "histogram", "Redis' part, by the view that was read.")
        for (route, view), histogram in sorted(self.reads.items()):
            lines += histogram.lines("fsync_read_seconds", f'route="{route}",view="{_escaped(view)}"')
        lines += _family("fsync_rows_total", "counter", "Rows asked for, and what became of them.")
        lines += [
            f'fsync_rows_total{{view="{_escaped(view)}",outcome="{_OUTCOMES[status]}"}} {count}'
            for (view, status), count in sorted(self.rows.items())
        ]
        lines += _family("fsync_redis_errors_total", "counter", "Requests that Redis did not answer.")
        lines += [f'fsync_redis_errors_total{{kind="{k}"}} {n}' for k, n in sorted(self.redis_errors.items())]
        lines += _family("fsync_refusals_total", "counter", "Requests refused to a consumer.")
        lines += [f'fsync_refusals_total{{reason="{k}"}} {n}' for k, n in sorted(self.refusals.items())]
        return "\n".join([*lines, *_freshness(sorted(metas, key=lambda meta: meta.reference)), ""])


def _freshness(metas: list[ViewMeta]) -> Iterator[str]:
    instant = now()
    yield from _family("fsync_view_event_age_seconds", "gauge", "Age of a view's newest event timestamp.")
    for meta in metas:
        if meta.rows:
            age = (instant - meta.max_event) / 1e6
            yield f'fsync_view_event_age_seconds{{view="{_escaped(meta.reference)}"}} {age:.3f}'
    yield from _family("fsync_view_sync_age_seconds", "gauge", "Time since a view was last synced.")
    for meta in metas:
        age = (instant - meta.synced_at) / 1e6
        yield f'fsync_view_sync_age_seconds{{view="{_escaped(meta.reference)}"}} {age:.3f}'
    yield from _family("fsync_view_rows", "gauge", "Rows of a view at its last sync.")
    for meta in metas:
        yield f'fsync_view_rows{{view="{_escaped(meta.reference)}"}} {meta.rows}'


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
