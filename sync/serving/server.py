"""Starts uvicorn, after it is clear that nobody reads who should not."""

import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address

import msgspec

from sync.errors import FsyncError
from sync.serving.listen import Listen, listening
from sync.serving.settings import Settings

NEEDED = ("uvicorn", "httptools", "uvloop", "hiredis")
STOP_SECONDS = 10


def run(settings: Settings, listen: Listen, *, open_to_all: bool, bound: Callable[[int], None]) -> None:
    """Serves until SIGTERM or SIGINT; requests under way are answered first. `bound` is told the port."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise FsyncError(f"fsync serve needs {', '.join(missing)}; run `pip install 'fsync[serve]'`")
    from sync.serving.servers import address_of

    address_of(settings.redis_url)
    closed = not open_to_all and not is_loopback(listen.host)
    if closed and not _has_tokens(settings):
        raise FsyncError(
            f"{listen.host} is reached by others and {settings.project} has no token; create one with "
            "`fsync token create SERVICE`, or serve to everyone with --open"
        )
    sockets = listening(listen)
    bound(sockets[0].getsockname()[1])
    # As Ctrl-C: otherwise uvicorn ends the process by the signal, and the folder stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="fsync-serve-") as folder:
        shared = folder if listen.workers > 1 else None
        msgspec.structs.replace(settings, closed=closed, workers_folder=shared).to_environment()
        _run(sockets, listen.workers)


def _run(sockets: list[socket.socket], workers: int) -> None:
    from uvicorn import Config, Server
    from uvicorn.supervisors import Multiprocess

    from sync.serving.http import HttpProtocol

    config = Config(
        "sync.serving.app:application",
        factory=True,
        workers=workers,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=2048,
    )
    if workers > 1:
        Multiprocess(config, sockets=sockets).run()
        return
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets)
    if not server.started:
        sys.exit("fsync: the server could not start")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_tokens(settings: Settings) -> bool:
    """Whether there is any; True also while Redis cannot be asked: the server is closed until it can."""
    from sync.online.connect import RedisUnavailable, connect, redis_failures
    from sync.online.layout import tokens_key

    try:
        with connect(settings.redis_url) as client, redis_failures(settings.redis_url):
            return bool(client.exists(tokens_key(settings.project)))
    except RedisUnavailable:
        return True
