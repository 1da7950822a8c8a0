"""HTTP/1.1 of one connection. Sockets, workers and signals are uvicorn's, which is told to use this protocol.

A request is handed over as an object and answered by bytes: ASGI's dictionaries and messages would cost more
than the answer.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol
from urllib.parse import unquote

import httptools

from sync.serving.messages import Request, Response, next_id, response_head

IDLE_SECONDS = 75.0
# Of requests that a client sends before the first is answered; then it must wait.
PIPELINED = 8
LONGEST_HEAD = 64 << 10
# Heads that were parsed before. Beyond these all are forgotten: they cost little to parse again.
KNOWN_HEADS, LONGEST_KNOWN_HEAD = 1000, 2048
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class _Head(NamedTuple):
    """What a head says: the next with the same bytes says the same."""

    method: str
    path: str
    authorization: bytes | None
    body_size: int


class Answering(Protocol):
    """What answers: `answer` calls `respond` once, now or later, and raises nothing.

    `refused`: of a request that never came whole.
    """

    max_body: int
    timeout: float

    def answer(self, request: Request, respond: Callable[[Response], None]) -> None: ...

    def refused(self, request: Request, status: int, message: str) -> Response: ...


class HttpProtocol(asyncio.Protocol):
    """One request at a time is answered, in the order they came."""

    _heads: ClassVar[dict[bytes, _Head]] = {}

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        del app_state
        self._app: Answering = config.loaded_app
        self._connections = server_state.connections
        self._loop: asyncio.AbstractEventLoop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._url, self._body_size = b"", 0
        # What came with the request's first byte, while its head is one to know again.
        self._first = b""
        # None once it is complete.
        self._head_size: int | None = None
        self._chunks: list[bytes] = []
        self._request: Request | None = None
        self._waiting: deque[Request] = deque()
        self._answering: Request | None = None
        # The client does not read what it asked for.
        self._is_full = False
        self._last = False

    # A connection's life.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._connections.add(self)
        self._heard = self._loop.time()
        self._watch(IDLE_SECONDS)

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._connections.discard(self)
        if self._timer:
            self._timer.cancel()
        self._waiting.clear()

    def shutdown(self) -> None:
        """The server stops: what came whole is answered."""
        self._last = True
        if self._answering is None:
            self._transport.close()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full, self._heard = False, self._loop.time()
        if self._answering is None:
            self._go_on()

    def _watch(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """A client that is silent is let go: soon amid a request, later between two."""
        allowed = self._app.timeout if self._request else IDLE_SECONDS
        left = self._heard + allowed - self._loop.time()
        if self._answering is not None or left > 0:
            self._watch(max(left, allowed / 2))
        elif self._is_full:
            self._transport.abort()
        elif self._request:
            self._refuse(408, "the request did not come in time")
        else:
            self._transport.close()

    # What comes.

    def data_received(self, data: bytes) -> None:
        before = self._request
        if before is None:
            if self._is_known(data):
                return
            self._first = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "this server speaks HTTP/1.1 and no other protocol")
        except httptools.HttpParserError as error:
            if not self._last:
                self._refuse(400, f"this is no HTTP: {error}")
        else:
            if self._request is None:
                return
            if self._request is not before:
                # The rest must follow soon.
                self._watch(self._app.timeout)
            if self._head_size is not None:
                self._head_size += len(data)
                if self._head_size > LONGEST_HEAD:
                    self._refuse(431, "the request's head is too long")

    def _is_known(self, data: bytes) -> bool:
        """Whether it was a whole request with a known head, which is then being answered."""
        end = data.find(b"\r\n\r\n") + 4
        head = self._heads.get(data[:end])
        if head is None or len(data) != end + head.body_size or self._last:
            return False
        self._heard = self._loop.time()
        request = Request(*head[:3])
        request.body = data[end:]
        self._complete(request)
        return True

    def _know(self, request: Request) -> None:
        head, end, body = self._first.partition(b"\r\n\r\n")
        # Otherwise it did not come whole, or not alone.
        if end and len(body) == self._body_size and len(head) <= LONGEST_KNOWN_HEAD and request.keep_alive:
            if len(self._heads) >= KNOWN_HEADS:
                self._heads.clear()
            known = _Head(request.method, request.path, request.authorization, self._body_size)
            self._heads[head + end] = known
        # What follows in it is of another request.
        self._first = b""

    def on_message_begin(self) -> None:
        self._request, self._heard = Request(), self._loop.time()
        self._url, self._head_size, self._body_size, self._chunks = b"", 0, 0, []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is None:
            return
        name = name.lower()
        if name == b"authorization":
            request.authorization = value
        elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request.id, self._first = value, b""
        elif name == b"content-length" and value.isdigit() and int(value[:18]) > self._app.max_body:
            self._refuse(413, f"the body has more than {self._app.max_body} bytes")
        elif name == b"expect" and value.lower() == b"100-continue":
            self._first = b""
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif name in (b"transfer-encoding", b"upgrade"):
            self._first = b""

    def on_headers_complete(self) -> None:
        self._head_size = None

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._body_size += len(chunk)
        if self._body_size > self._app.max_body:
            self._refuse(413, f"the body has more than {self._app.max_body} bytes")

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        if request is None or self._last:
            return
        request.method = self._parser.get_method().decode()
        request.path = self._path()
        request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        request.keep_alive = self._parser.should_keep_alive()
        self._know(request)
        self._complete(request)

    def _complete(self, request: Request) -> None:
        request.id = request.id or next_id()
        if self._answering is None and not self._is_full:
            self._begin(request)
            return
        self._waiting.append(request)
        if len(self._waiting) >= PIPELINED:
            self._transport.pause_reading()

    def _path(self) -> str:
        url = self._url
        if not url.startswith(b"/"):
            try:
                url = httptools.parse_url(url).path or b"/"
            except httptools.HttpParserError:
                url = b"/"
        path = url.partition(b"?")[0].decode("latin-1")
        return unquote(path) if "%" in path else path

    # What goes.

    def _begin(self, request: Request) -> None:
        self._answering = request
        self._app.answer(request, self._respond)

    def _respond(self, response: Response) -> None:
        request, self._answering = self._answering, None
        if request is None:
            return
        self._write(request, response)
        self._heard = self._loop.time()
        if not self._is_full:
            self._go_on()

    def _go_on(self) -> None:
        if self._transport.is_closing():
            return
        if self._last:
            self._transport.close()
        elif self._waiting:
            self._begin(self._waiting.popleft())
            self._transport.resume_reading()

    def _refuse(self, status: int, message: str) -> None:
        """Of a request that never came whole: what follows on the connection means nothing."""
        request = self._request or Request()
        request.id = request.id or next_id()
        self._request, self._last = None, True
        request.keep_alive = False
        if self._answering is None and not self._transport.is_closing():
            self._write(request, self._app.refused(request, status, message))
        else:
            self._transport.pause_reading()

    def _write(self, request: Request, response: Response) -> None:
        if self._transport.is_closing():
            return
        is_last = not request.keep_alive or self._last
        body = b"" if request.method == "HEAD" else response.body
        self._transport.write(response_head(request, response, is_last) + body)
        if not request.keep_alive:
            self._transport.close()
