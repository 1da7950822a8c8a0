"""Views that were synced once and are no longer the project's."""

from collections.abc import Iterable, Iterator
from typing import Any

from sync.online import layout
from sync.online.lock import new_owner, view_lock
from sync.online.pushed import settle
from sync.online.read import read_meta
from sync.registry.views import FeatureView


def left_over(client: Any, project: str, views: Iterable[FeatureView]) -> list[str]:
    """References of views in Redis that are not of `views`."""
    own = {layout.view_keys(project, view.reference).meta: view for view in views}
    start, end = layout.view_keys(project, "\0").meta.split("\0")
    found = {key.decode() for key in client.scan_iter(match=f"{start}*{end}", count=1000)}
    return sorted(key[len(start) : -len(end)] for key in found - own.keys())


def prune(client: Any, project: str, references: Iterable[str]) -> Iterator[str]:
    """Remove these views, one by one: their names first, so that no reader begins to read what goes."""
    owner = new_owner()
    for reference in references:
        meta = read_meta(client, project, reference, lenient=True)
        shards, fingerprint = (meta.shards, meta.fingerprint) if meta else (1, "")
        keys = layout.shard_keys(project, reference, shards, fingerprint)
        with view_lock(client, [shard.lock for shard in keys], reference, owner):
            name, _, version = reference.partition("@")
            latest = client.hget(layout.views_key(project), name)
            if latest is not None and latest.decode() == version:
                client.hdel(layout.views_key(project), name)
            if meta:
                settle(client, project, meta)
            for shard in keys:
                for key in (shard.meta, *shard.data, shard.staging):
                    client.unlink(key)
        yield reference
