"""Rows of several views at once, all as their meta described them when it was read."""

from collections.abc import Sequence
from typing import Any

import redis

from sync.online import layout
from sync.online.layout import ViewMeta


def fetch_rows(
    client: Any, project: str, metas: Sequence[ViewMeta], fields: Sequence[list[str]]
) -> "list[list[bytes | None]] | None":
    """For each view the rows of its entity keys; None when a view was redefined since its meta was read.

    On one server they are rows of one instant. In a Cluster the definitions are asked for after the rows:
    what was current then was so before.
    """
    wanted = []
    for meta, asked in zip(metas, fields, strict=True):
        shards = layout.shard_keys(project, meta.reference, meta.shards, meta.fingerprint)
        wanted.append(layout.by_shard([keys.rows for keys in shards], asked))
    one_server = not isinstance(client, redis.RedisCluster)
    with client.pipeline(transaction=one_server) as pipeline:
        for parts in wanted:
            for key, own, _ in parts:
                pipeline.hmget(key, own)
        if one_server:
            _ask_definitions(pipeline, project, metas)
        answers = pipeline.execute()
    if not one_server:
        with client.pipeline(transaction=False) as pipeline:
            _ask_definitions(pipeline, project, metas)
            answers += pipeline.execute()
    if answers[len(answers) - len(metas) :] != [meta.definition.encode() for meta in metas]:
        return None
    rows: list[list[bytes | None]] = []
    for parts, own in zip(wanted, fields, strict=True):
        found: list[bytes | None] = [None] * len(own)
        for _, _, positions in parts:
            for position, row in zip(positions, answers.pop(0), strict=True):
                found[position] = row
        rows.append(found)
    return rows


def _ask_definitions(pipeline: Any, project: str, metas: Sequence[ViewMeta]) -> None:
    for meta in metas:
        pipeline.hget(layout.view_keys(project, meta.reference).meta, "definition")
