import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import redis

from sync.errors import FsyncError

# Long against a stall of this process, short against the wait after a killed one.
LEASE_SECONDS = 60
POLL_SECONDS = 0.2

# Only the owner may touch the key: after a stall it may be another's.
_OWNED = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call({}) end return 0"
_RENEW = _OWNED.format("'PEXPIRE', KEYS[1], ARGV[2]")
_RELEASE = _OWNED.format("'DEL', KEYS[1]")


class ViewLock:
    """Of a view, one key for each of its shards; the first decides who has it."""

    def __init__(self, client: Any, keys: Sequence[str], owner: str) -> None:
        self._client, self._keys, self.owner = client, keys, owner
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)
        self._thread.start()

    def release(self) -> None:
        self._stop.set()
        self._thread.join()
        try:
            for key in reversed(self._keys):
                self._client.eval(_RELEASE, 1, key, self.owner)
        except (redis.RedisError, OSError):
            # It expires by itself; the failure that brought us here is the one to tell.
            return

    def _renew(self, key: str) -> None:
        self._client.eval(_RENEW, 1, key, self.owner, LEASE_SECONDS * 1000)

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(LEASE_SECONDS / 4):
            try:
                for key in self._keys:
                    self._renew(key)
            except (redis.RedisError, OSError):
                continue


def new_owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex}"


@contextmanager
def view_lock(
    client: Any, keys: Sequence[str], view: str, owner: str, wait: float = 0.0
) -> Iterator[ViewLock]:
    """Raises FsyncError, naming the holder, when it is another's for longer than `wait` seconds.

    `owner`: of `new_owner`; what the same owner could not release, when Redis was away, is still its own.
    """
    deadline = time.monotonic() + wait
    while not client.set(keys[0], owner, nx=True, px=LEASE_SECONDS * 1000):
        if client.get(keys[0]) == owner.encode():
            break
        if time.monotonic() >= deadline:
            holder: Any = client.get(keys[0]) or b"another process"
            host, _, rest = holder.decode(errors="replace").partition(":")
            process = f"process {rest.partition(':')[0]} on {host}" if rest else host
            raise FsyncError(
                f"{view} is being synced by {process}; try again when it is done, or wait with --wait"
            )
        time.sleep(POLL_SECONDS)
    for key in keys[1:]:
        # Whoever has the first key has the view: what stands here is of a sync that was killed.
        client.set(key, owner, px=LEASE_SECONDS * 1000)
    lock = ViewLock(client, keys, owner)
    try:
        yield lock
    finally:
        lock.release()
