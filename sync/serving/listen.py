"""The sockets that a server's workers listen on."""

import errno
import os
import socket
import sys
from typing import Any, NamedTuple

from sync.errors import FsyncError

# Where the kernel spreads connections over the sockets that are bound to one address.
_SPREADS = sys.platform == "linux"


class Listen(NamedTuple):
    host: str
    port: int
    workers: int


class _OwnSocket(socket.socket):
    """Bound, and given to another process as a socket of its own at the same address.

    Of one socket that all workers share, the worker that wakes first takes what comes: with connections that
    stay, nearly all of them.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        del protocol
        return _bind, (_OwnSocket, self.family, self.getsockname())


def listening(listen: Listen) -> list[socket.socket]:
    """Bound to every address of the host. Raises FsyncError where that cannot be."""
    host, port = listen.host, listen.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise FsyncError(f"{host} is no address; give --host one of this machine") from None
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    bound: list[socket.socket] = []
    refused: OSError | None = None
    for family, address in addresses:
        try:
            bound.append(_bind_alone(family, (address[0], port, *address[2:]), listen.workers))
        except OSError as error:
            # One of several addresses may be none here, as of IPv6.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise FsyncError(f"cannot listen at {host}:{port}: {_why(error)}") from None
            refused = error
        else:
            port = bound[0].getsockname()[1]
    if not bound:
        raise FsyncError(f"cannot listen at {host}:{port}: {_why(refused)}")
    return bound


def _bind_alone(family: int, address: Any, workers: int) -> socket.socket:
    """Raises OSError where another program has the address, even one that would share it."""
    alone = _bind(socket.socket, family, address)
    if workers == 1 or not _SPREADS:
        return alone
    with alone:
        address = alone.getsockname()
    return _bind(_OwnSocket, family, address)


def _bind(kind: type[socket.socket], family: int, address: Any) -> socket.socket:
    made = kind(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind is _OwnSocket:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _why(error: OSError | None) -> str:
    number = error.errno if error and error.errno else errno.EADDRNOTAVAIL
    if number == errno.EADDRINUSE:
        return "another program listens there; choose another --port"
    if number == errno.EADDRNOTAVAIL:
        return "it is no address of this machine; choose another --host"
    return os.strerror(number)
