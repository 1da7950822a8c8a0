import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import redis

from sync.errors import FsyncError

# Long against a stall of this process, short against the wait after a killed one.
LEASE_SECONDS = 60

# Only the owner may touch the key: after a stall it may be another's.
_OWNED = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call({}) end return 0"
_RENEW = _OWNED.format("'PEXPIRE', KEYS[1], ARGV[2]")
_RELEASE = _OWNED.format("'DEL', KEYS[1]")


class ViewLock:
    def __init__(self, client: "redis.Redis", key: str, owner: str) -> None:
        self._client, self._key, self.owner = client, key, owner
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Stop renewing and take one full lease, so that a transaction may WATCH the key undisturbed."""
        self._stop.set()
        self._thread.join()
        self._client.eval(_RENEW, 1, self._key, self.owner, LEASE_SECONDS * 1000)

    def release(self) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self._client.eval(_RELEASE, 1, self._key, self.owner)
        except (redis.RedisError, OSError):
            # It expires by itself; the failure that brought us here is the one to tell.
            return

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(LEASE_SECONDS / 4):
            try:
                self._client.eval(_RENEW, 1, self._key, self.owner, LEASE_SECONDS * 1000)
            except (redis.RedisError, OSError):
                continue


@contextmanager
def view_lock(client: "redis.Redis", key: str, view: str) -> Iterator[ViewLock]:
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex}"
    if not client.set(key, owner, nx=True, px=LEASE_SECONDS * 1000):
        holder: Any = client.get(key) or b"another process"
        host, _, rest = holder.decode(errors="replace").partition(":")
        process = f"process {rest.partition(':')[0]} on {host}" if rest else host
        raise FsyncError(f"{view} is being synced by {process}; try again when it is done")
    lock = ViewLock(client, key, owner)
    try:
        yield lock
    finally:
        lock.release()
