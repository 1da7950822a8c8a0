"""Requests and responses, and the head that goes before a response's body."""

import itertools
import time
from email.utils import formatdate
from http import HTTPStatus
from secrets import token_hex
from typing import NamedTuple

_STATUS = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_ids = map((token_hex(4).encode() + b"-%x").__mod__, itertools.count(1))


class Response(NamedTuple):
    status: int
    kind: bytes
    body: bytes
    allow: bytes = b""


class Request:
    """`consumer` and `reason` (of a refusal) are for the log."""

    __slots__ = (
        "authorization",
        "body",
        "consumer",
        "id",
        "keep_alive",
        "method",
        "path",
        "reason",
        "started",
    )

    def __init__(self, method: str = "", path: str = "", authorization: bytes | None = None) -> None:
        self.started = time.perf_counter()
        self.method, self.path, self.authorization = method, path, authorization
        self.body = self.id = b""
        self.consumer = self.reason = ""
        self.keep_alive = True


def next_id() -> bytes:
    return next(_ids)


def response_head(request: Request, response: Response, is_last: bool) -> bytes:
    """`is_last`: the connection closes after it."""
    status, kind, body, allow = response
    more = b""
    if allow:
        more = b"allow: %b\r\n" % allow
    elif status == 401:
        more = b"www-authenticate: Bearer\r\n"
    elif status in (429, 503):
        more = b"retry-after: 1\r\n"
    if is_last:
        more += b"connection: close\r\n"
    return b"%b%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b\r\n" % (
        *(_STATUS[status], _date(), kind, len(body), request.id, more),
    )


class _Date:
    """Written anew each second."""

    line, until = b"", 0.0


def _date() -> bytes:
    instant = time.time()
    if instant >= _Date.until:
        _Date.line = b"date: %b\r\n" % formatdate(instant, usegmt=True).encode()
        _Date.until = float(int(instant) + 1)
    return _Date.line
