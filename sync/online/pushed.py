"""What becomes of rows pushed past the warehouse: they are carried along, known to it at last, or expire."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sync.online import layout, scripts
from sync.online.layout import ViewKeys, ViewMeta, instant_text

FIELDS_PER_COMMAND = 500


class PushedRows(NamedTuple):
    """Of the shards of one view. `watermark`: the newest created timestamp that the warehouse knows, µs."""

    client: Any
    shards: Sequence[ViewKeys]

    def forget(self, watermark: int) -> None:
        for keys in self.shards:
            self.client.zremrangebyscore(keys.pushed, "-inf", watermark)

    def stray(self, watermark: int) -> None:
        """Those that the warehouse should have sent by now, and did not, are kept in mind for their ttl."""
        for keys in self.shards:
            while self.client.eval(scripts.STRAY, 3, keys.rows, keys.pushed, keys.stray, watermark):
                pass

    def expire(self, served_from: int) -> int:
        """Strays of an event before `served_from`, µs, are taken out: how many."""
        removed = 0
        for keys in self.shards:
            looked_at = 1
            while looked_at:
                looked_at, gone = self.client.eval(
                    scripts.EXPIRE_STRAYS, 2, keys.rows, keys.stray, f"{served_from:016}"
                )
                removed += gone
        return removed

    def carry(self, watermark: int, former: Sequence[ViewKeys], new: Sequence[Sequence[str]]) -> int:
        """Put what the warehouse does not know of former shards into new ones: into their rows and, once
        these are in place, what is `pushed` and `mixed` there. How many entities.
        """
        return sum(
            self.client.eval(scripts.CARRY, 1 + len(keys), old.rows, *keys, f"{watermark:016}", *fields)
            for old, keys in zip(former, new, strict=True)
            for fields in _members(self.client, old.pushed)
        )


def settle(client: Any, project: str, meta: ViewMeta) -> None:
    """Do what a switch of definition left to do: rows pushed to later shards come over, then these go.

    A push looks at the meta again after it wrote, so that none comes later. Done twice, it does no harm.
    """
    if meta.replaced is None:
        return
    own = layout.shard_keys(project, meta.reference, meta.shards, meta.fingerprint)
    former = layout.shard_keys(project, meta.reference, meta.replaced.shards, meta.replaced.fingerprint)[1:]
    if meta.replaced.kin and meta.source:
        places = [(keys.rows, keys.pushed, keys.mixed) for keys in own[1:]]
        PushedRows(client, own).carry(meta.source.watermark, former, places)
    for keys in former:
        for key in keys.data:
            client.unlink(key)
    client.hdel(own[0].meta, "replaced")


def _members(client: Any, key: str) -> Iterator[list[bytes]]:
    """Fields and, after each, the created timestamp of what was pushed, as a row spells it."""
    batch: list[bytes] = []
    for member, created in client.zscan_iter(key, count=FIELDS_PER_COMMAND):
        batch += [member, instant_text(int(created))]
        if len(batch) == 2 * FIELDS_PER_COMMAND:
            yield batch
            batch = []
    if batch:
        yield batch
