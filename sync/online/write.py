"""Writes one view, under its lock: all of it aside and then swapped in, or row by row in its place."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from typing import Any, NamedTuple
from uuid import uuid4

import redis
from msgspec import structs

from sync.errors import FsyncError
from sync.online import layout, scripts
from sync.online.connect import node_of
from sync.online.layout import Replaced, Source, ViewKeys, ViewMeta
from sync.online.lock import ViewLock
from sync.online.pipe import Pipe, Speed, packed
from sync.online.pushed import FIELDS_PER_COMMAND, PushedRows, settle
from sync.online.render import Frames
from sync.registry.registry import FeatureService
from sync.registry.views import FeatureView


class Staged(NamedTuple):
    """`rows` that were sent, and `added`: the entities among them that were not there yet."""

    rows: int
    added: int


class Merged(NamedTuple):
    """`rows` that were sent, `written` of them, `added` as entities; `kept`: newer in Redis.

    The others stood there already.
    """

    rows: int
    written: int
    added: int
    kept: int


class ViewWriter:
    def __init__(
        self,
        client: Any,
        project: str,
        view: FeatureView,
        lock: ViewLock,
        speed: Speed,
        on_rows: Callable[[int], None] | None = None,
    ) -> None:
        self._client, self._project, self._view, self._lock = client, project, view, lock
        self._speed, self._on_rows = speed, on_rows or (lambda _rows: None)
        self._shards = layout.shard_keys(project, view.reference, view.shards, view.fingerprint)
        self.pushed = PushedRows(client, self._shards)
        self._token = uuid4().hex
        self._keeps_pushed = False

    def rows(self) -> int:
        return sum(self._client.hlen(keys.rows) for keys in self._shards)

    @contextmanager
    def aside(self, *, pushed: bool) -> Iterator[None]:
        """Where `stage` and `swap` happen: nothing is left behind when they fail.

        `pushed`: rows pushed so far and meanwhile stay; else they are of another definition and go with it.
        """
        self._keeps_pushed = pushed
        for keys in self._shards if pushed else ():
            self._client.set(keys.staging, self._token, ex=scripts.ASIDE_SECONDS)
        try:
            yield
        finally:
            with suppress(redis.RedisError, OSError):
                for keys in self._shards:
                    self._client.eval(scripts.RELEASE, 2, keys.staging, keys.aside(self._token), self._token)

    def stage(self, frames: Iterable[Frames]) -> Staged:
        sent, added, lease = 0, 0, str(scripts.ASIDE_SECONDS)

        def count(rows: int) -> Callable[[Any], None]:
            def then(answer: Any) -> None:
                nonlocal added
                added += answer
                self._on_rows(rows)

            return then

        with self._pipes() as pipes:
            for frame in frames:
                keys, pipe = self._shards[frame.shard], pipes[frame.shard]
                aside = keys.aside(self._token)
                for number, (rows, strings) in enumerate(frame.parts(self._speed.rows)):
                    hset = packed("HSET", aside, rows=strings, strings=2 * rows)
                    if number == 0:
                        expire = [packed("EXPIRE", key, lease) for key in (aside, keys.staging)]
                        pipe.send_together([hset, *expire], count(rows))
                    else:
                        pipe.send(hset, count(rows))
                    sent += rows
        return Staged(sent, added)

    def carry(self, watermark: int, kin: ViewMeta | None) -> int:
        """Put aside what was pushed and the warehouse does not know; how many entities of it."""
        if not kin:
            return 0
        former = layout.shard_keys(self._project, kin.reference, kin.shards, kin.fingerprint)
        return self.pushed.carry(watermark, former, [(keys.aside(self._token),) for keys in self._shards])

    def swap(self, meta: ViewMeta, former: ViewMeta | None) -> None:
        """Readers see the former rows until now, and from now on the rows aside, with their meta."""
        if former and (former.shards, former.fingerprint) != (meta.shards, meta.fingerprint):
            replaced = Replaced(former.shards, former.fingerprint, kin=self._keeps_pushed)
            meta = structs.replace(meta, replaced=replaced if former.shards > 1 else None)
        for shard in range(len(self._shards) - 1, -1, -1):
            self._swap_shard(self._shards[shard], layout.pack_meta(meta) if shard == 0 else {})
        settle(self._client, self._project, meta)

    def _swap_shard(self, keys: ViewKeys, meta: Mapping[str, str]) -> None:
        rows = (keys.rows, keys.aside(self._token), keys.retired(self._token))
        marks = (keys.staging, keys.stray, keys.pushed, keys.meta, keys.mixed)
        said = (self._lock.owner, "1" if self._keeps_pushed else "", *chain(*meta.items()))
        # The client would say it again if the answer got lost, and done twice it takes the rows away.
        with self._fenced(), Pipe(self._client, keys.rows, in_flight=1) as once:
            once.send(packed("EVAL", scripts.SWAP, "9", keys.lock, *rows, *marks, *said), lambda _: None)

    def staged(self) -> int:
        return sum(self._client.hlen(keys.aside(self._token)) for keys in self._shards)

    def announce(self, pending: Source) -> None:
        """What may be merged from now on, until `save`: for the next run, should this one be interrupted."""
        self._save({"pending": layout.pack_source(pending)})

    def merge(self, frames: Iterable[Frames]) -> Merged:
        """Each row in its place, unless a newer one stands there."""
        sent = written = new = kept = 0

        def count(rows: int) -> Callable[[Any], None]:
            def then(answer: Any) -> None:
                nonlocal written, new, kept
                new, written, kept = new + answer[0], written + answer[1], kept + answer[2]
                self._on_rows(rows)

            return then

        with self._fenced(), self._pipes() as pipes:
            scripted: dict[int, str] = {}
            for frame in frames:
                keys = self._shards[frame.shard]
                if frame.shard not in scripted:
                    scripted[frame.shard] = node_of(self._client, keys.rows).script_load(scripts.MERGE)
                # Nothing is aside while this run has the lock.
                head = [
                    "EVALSHA",
                    scripted[frame.shard],
                    "7",
                    *(keys.rows, keys.meta, keys.pushed, keys.staging, keys.rows, keys.lock, keys.mixed),
                    *("", self._lock.owner, "1" if frame.later else ""),
                ]
                for rows, strings in frame.parts(self._speed.rows):
                    pipes[frame.shard].send(packed(*head, rows=strings, strings=2 * rows), count(rows))
                    sent += rows
        return Merged(sent, written, new, kept)

    def expire(self, fields: Iterable[Sequence[str]], served_from: int) -> int:
        """Take out those of the entities whose row is of an event before `served_from`, µs."""
        gone = 0
        for batch in fields:
            for shard, keys in enumerate(self._shards):
                own = [field for field in batch if layout.shard_of(field, len(self._shards)) == shard]
                for start in range(0, len(own), FIELDS_PER_COMMAND):
                    part = own[start : start + FIELDS_PER_COMMAND]
                    gone += self._client.eval(scripts.EXPIRE, 1, keys.rows, f"{served_from:016}", *part)
        return gone

    def save(self, meta: ViewMeta) -> None:
        """The view's rows are in: the next run goes on from here."""
        self._save(layout.pack_meta(meta))

    def _save(self, fields: Mapping[str, str]) -> None:
        keys = self._shards[0]
        with self._fenced():
            self._client.eval(
                scripts.SAVE, 2, keys.lock, keys.meta, self._lock.owner, *chain(*fields.items())
            )

    @contextmanager
    def _fenced(self) -> Iterator[None]:
        """Where Redis does nothing unless the lock is ours."""
        try:
            yield
        except redis.ResponseError as error:
            if "LOST" not in str(error):
                raise
            raise FsyncError(
                f"{self._view.reference}: another sync took over while this one stalled; it goes on alone"
            ) from None

    @contextmanager
    def _pipes(self) -> Iterator[list[Pipe]]:
        with ExitStack() as stack:
            yield [
                stack.enter_context(Pipe(self._client, keys.rows, self._speed.in_flight))
                for keys in self._shards
            ]


def write_services(client: Any, project: str, services: dict[str, FeatureService]) -> None:
    key = layout.services_key(project)
    with node_of(client, key).pipeline(transaction=True) as transaction:
        transaction.delete(key)
        if services:
            transaction.hset(key, mapping=layout.pack_services(services))
        transaction.execute()


def write_latest(client: Any, project: str, view: FeatureView) -> None:
    """A bare name means the latest version from when that is there."""
    if view.latest:
        client.hset(layout.views_key(project), view.name, view.version or "")
