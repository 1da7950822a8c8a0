"""Writes a view aside, batch by batch, then swaps it in: readers see the old view or the new one."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from typing import Any, NamedTuple
from uuid import uuid4

import redis

from sync.errors import FsyncError
from sync.instants import to_text
from sync.online import layout
from sync.online.lock import ViewLock, view_lock
from sync.online.render import Frames, RenderedRows
from sync.registry.registry import FeatureService
from sync.registry.views import FeatureView

# Small batches, few in flight: readers wait less than a millisecond behind a load.
BATCH_ROWS = 50
BATCHES_IN_FLIGHT = 4
# A killed run's rows vanish by themselves; each batch renews this.
ASIDE_SECONDS = 600

# The newer of the live row and the warehouse's row goes aside, in one step with reading the live one.
_STAGE = f"""
local fields, rows = {{}}, {{}}
for i = 3, #ARGV, 2 do fields[#fields + 1] = ARGV[i] end
local live = redis.call('HMGET', KEYS[1], unpack(fields))
local found, kept = 0, 0
for i, field in ipairs(fields) do
    local row = ARGV[2 + 2 * i]
    if live[i] then
        found = found + 1
        local is_newer = string.sub(live[i], 1, {layout.PREFIX}) > string.sub(row, 1, {layout.PREFIX})
        if ARGV[1] == '1' and is_newer then
            row = live[i]
            kept = kept + 1
        end
    end
    rows[2 * i - 1], rows[2 * i] = field, row
end
redis.call('HSET', KEYS[2], unpack(rows))
redis.call('EXPIRE', KEYS[2], ARGV[2])
return {{found, kept}}
"""


class Written(NamedTuple):
    rows: int
    kept: int
    removed: int


def write_view(
    client: "redis.Redis",
    project: str,
    view: FeatureView,
    rendered: RenderedRows,
    *,
    as_of: int,
    synced_at: int,
    full_refresh: bool,
    forbid_older: bool,
    on_rows: Callable[[int], None] | None = None,
) -> Written:
    keys = layout.view_keys(project, view.reference)
    token = uuid4().hex
    aside = keys.aside(token)
    with view_lock(client, keys.lock, view.reference) as lock:
        live = read_meta(client, project, view.reference, lenient=full_refresh)
        before = client.hlen(keys.rows)
        if live and before and forbid_older and as_of < live.as_of and not full_refresh:
            raise FsyncError(
                f"{view.reference} is in Redis as of {to_text(live.as_of)}, later than the --as-of given; "
                "to go back in time, add --full-refresh"
            )
        # Rows of another definition are not comparable with these, however new.
        guarded = not full_refresh and live is not None and live.fingerprint == view.fingerprint
        try:
            found, kept = _stage(client, keys.rows, aside, rendered, guarded, on_rows)
            meta = layout.meta_of(
                view,
                as_of=as_of,
                synced_at=synced_at,
                rows=rendered.count,
                max_event=max(rendered.max_event, live.max_event if live and kept else 0),
                max_created=max(rendered.max_created, live.max_created if live and kept else 0),
            )
            _swap(client, keys, lock, aside, keys.retired(token), meta)
        finally:
            with suppress(redis.RedisError, OSError):
                client.unlink(aside)
    if view.latest:
        client.hset(layout.views_key(project), view.name, view.version or "")
    return Written(rendered.count, kept, before - found)


def read_meta(
    client: "redis.Redis", project: str, reference: str, *, lenient: bool = False
) -> layout.ViewMeta | None:
    stored: Any = client.hgetall(layout.view_keys(project, reference).meta)
    try:
        return layout.unpack_meta(stored) if stored else None
    except FsyncError:
        if lenient:
            return None
        raise


def write_services(client: "redis.Redis", project: str, services: dict[str, FeatureService]) -> None:
    key = layout.services_key(project)
    with client.pipeline(transaction=True) as transaction:
        transaction.delete(key)
        if services:
            transaction.hset(key, mapping=layout.pack_services(services))
        transaction.execute()


def _stage(
    client: "redis.Redis",
    live: str,
    aside: str,
    rendered: RenderedRows,
    guarded: bool,
    on_rows: Callable[[int], None] | None,
) -> tuple[int, int]:
    script: Any = client.script_load(_STAGE)
    if not isinstance(script, str):
        script = sha1(_STAGE.encode(), usedforsecurity=False).hexdigest()
    arguments = ["EVALSHA", script, "2", live, aside, "1" if guarded else "0", str(ASIDE_SECONDS)]
    opening = b"".join(b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode()) for text in arguments)
    connection: Any = client.connection_pool.get_connection()
    found = kept = 0
    in_flight: deque[int] = deque()

    def settle_one() -> None:
        nonlocal found, kept
        answer = connection.read_response()
        if isinstance(answer, Exception):
            raise answer
        found, kept = found + answer[0], kept + answer[1]
        rows = in_flight.popleft()
        if on_rows:
            on_rows(rows)

    try:
        for frames in rendered.frames():
            for start in range(0, len(frames), BATCH_ROWS):
                stop = min(start + BATCH_ROWS, len(frames))
                if len(in_flight) == BATCHES_IN_FLIGHT:
                    settle_one()
                connection.send_packed_command(_command(opening, len(arguments), frames, start, stop), False)
                in_flight.append(stop - start)
        while in_flight:
            settle_one()
    except BaseException:
        # Answers of batches in flight would be taken for another command's.
        connection.disconnect()
        raise
    finally:
        client.connection_pool.release(connection)
    return found, kept


def _command(opening: bytes, arguments: int, frames: Frames, start: int, stop: int) -> list[Any]:
    count = arguments + 2 * (stop - start)
    return [b"".join((b"*%d\r\n" % count, opening, frames.slice(start, stop)))]


def _swap(
    client: "redis.Redis",
    keys: layout.ViewKeys,
    lock: ViewLock,
    aside: str,
    retired: str,
    meta: layout.ViewMeta,
) -> None:
    lock.settle()
    with client.pipeline(transaction=True) as transaction:
        transaction.watch(keys.lock, aside)  # type: ignore[no-untyped-call]
        if transaction.get(keys.lock) != lock.owner.encode():
            raise FsyncError(
                f"{meta.reference}: another sync took over while this one stalled; nothing was changed"
            )
        stored: Any = transaction.hlen(aside)
        if stored != meta.rows:
            raise FsyncError(
                f"{meta.reference}: Redis holds {stored} of {meta.rows} rows written; it evicted the rest "
                "(see its maxmemory-policy), so nothing was changed"
            )
        has_live = transaction.exists(keys.rows)
        transaction.multi()
        if has_live:
            transaction.rename(keys.rows, retired)
        if stored:
            transaction.persist(aside)
            transaction.rename(aside, keys.rows)
        transaction.delete(keys.meta)
        transaction.hset(keys.meta, mapping=layout.pack_meta(meta))
        transaction.unlink(retired)
        try:
            transaction.execute()
        except redis.WatchError:
            raise FsyncError(
                f"{meta.reference}: another sync took over while this one stalled; nothing was changed"
            ) from None
