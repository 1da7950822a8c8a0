"""The application: routes, refusals, logs. HTTP itself is http.py's; what is read and how, reading.py's."""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec

from sync.errors import FsyncError
from sync.instants import now, to_text
from sync.online.resolve import UnknownName
from sync.serving.access import Access, Consumer, Refusal
from sync.serving.call import Call, in_background
from sync.serving.catalog import Catalog, CatalogKeeper
from sync.serving.messages import Request, Response
from sync.serving.metrics import Metrics
from sync.serving.openapi import DOCS, openapi
from sync.serving.reader import Reader
from sync.serving.reading import Question, batch, columnar, rows, services, single
from sync.serving.redis_pipe import RedisDown
from sync.serving.requests import TooMany, decode_batch, decode_online, decode_rows, decode_single
from sync.serving.servers import Servers
from sync.serving.settings import Settings
from sync.serving.workers import Workers

_JSON, _TEXT, _HTML = (
    b"application/json",
    b"text/plain; version=0.0.4; charset=utf-8",
    b"text/html; charset=utf-8",
)
_LOG = logging.getLogger("uvicorn.error")
TELL_SECONDS = 1.0
Settle = Callable[["bytes | Response | Exception"], None]
_METHODS = {
    "/batch-features": "POST",
    "/get-online-features": "POST",
    "/online-features": "POST",
    "/features": "GET",
    "/services": "GET",
    "/health": "GET",
    "/ready": "GET",
    "/metrics": "GET",
    "/openapi.json": "GET",
    "/docs": "GET",
}


class _Read(NamedTuple):
    """How a route reads features."""

    decode: Callable[[Request, int], Any]
    question: Callable[..., Question]


_READS = {
    "/batch-features": _Read(lambda request, most: decode_batch(request.body, most), batch),
    "/get-online-features": _Read(lambda request, most: decode_online(request.body, most), columnar),
    "/online-features": _Read(lambda request, most: decode_rows(request.body, most), rows),
    "/features": _Read(lambda request, _: decode_single(request.path), single),
}


class Application:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.servers = Servers(settings.redis_url, settings.timeout)
        self.reader = Reader(self.servers)
        self.keeper = CatalogKeeper(self.servers, settings.project)
        self.metrics, self.workers = Metrics(), Workers(settings.workers_folder)
        self.access = Access(closed=settings.closed, pii=settings.pii)
        self.max_body, self.timeout = settings.max_body, settings.timeout
        self._handlers: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/services": self._services,
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
            "/docs": self._docs,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """What uvicorn asks at the start and the end of a worker."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await self.servers.open()
        await self.keeper.open()
        # What is there now stays: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        # A request leaves no cycles behind.
        gc.set_threshold(100_000, 50, 100)
        await send({"type": "lifespan.startup.complete"})
        telling = asyncio.create_task(self._tell())
        await receive()
        telling.cancel()
        self.workers.tell(self.metrics)
        await self.keeper.close()
        await self.servers.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _tell(self) -> None:
        while True:
            self.workers.tell(self.metrics)
            await asyncio.sleep(TELL_SECONDS)

    def answer(self, request: Request, respond: Callable[[Response], None]) -> None:
        route = "/features" if request.path.startswith("/features/") else request.path
        settle = partial(self._settle, request, route, respond)
        method = _METHODS.get(route)
        if method is None:
            settle(UnknownName(f"there is no {request.path}; /docs lists the routes"))
        elif request.method != method and (request.method, method) != ("HEAD", "GET"):
            settle(self._error(request, 405, f"{route} is asked by {method}")._replace(allow=method.encode()))
        elif route in _READS and self.keeper.loaded is not None:
            self._read(request, route, self.keeper.loaded, settle)
        else:
            in_background(self._answer(request, route, settle))

    def _read(self, request: Request, route: str, catalog: Catalog, settle: Settle) -> None:
        decode, question = _READS[route]
        try:
            consumer = self._admit(request, catalog)
            wanted = decode(request, self.settings.max_entities)
        except Exception as error:
            settle(error)
        else:
            ask = partial(question, consumer=consumer, request=wanted)
            Call(self.reader, self.keeper, self.metrics, route, ask, wanted.names, settle).attempt(catalog)

    async def _answer(self, request: Request, route: str, settle: Settle) -> None:
        """What is no reading of features, or comes before anything is known of them."""
        try:
            if route in _READS:
                self._read(request, route, await self.keeper.current(), settle)
            else:
                settle(await self._handlers[route](request))
        except Exception as error:
            settle(error)

    def _settle(
        self,
        request: Request,
        route: str,
        respond: Callable[[Response], None],
        outcome: "bytes | Response | Exception",
    ) -> None:
        if isinstance(outcome, bytes):
            response = Response(200, _JSON, outcome)
        elif isinstance(outcome, Response):
            response = outcome
        else:
            response = self._failure(request, outcome)
        self._count(request, route if route in _METHODS else "unknown", response.status)
        respond(response)

    def refused(self, request: Request, status: int, message: str) -> Response:
        """Of a request that never came whole."""
        self._count(request, "unknown", status)
        return self._error(request, status, message)

    def _count(self, request: Request, route: str, status: int) -> None:
        seconds = time.perf_counter() - request.started
        self.metrics.requests[route, status] += 1
        self.metrics.latency[route].observe(seconds)
        # Refusals are logged whether or not the others are.
        if self.settings.access_log or request.reason:
            self._log(request, route, status, seconds)

    def _failure(self, request: Request, error: Exception) -> Response:
        if isinstance(error, Refusal):
            request.reason = error.reason
            self.metrics.refusals[error.reason] += 1
            return self._error(request, error.status, str(error))
        if isinstance(error, RedisDown):
            self.metrics.redis_errors[error.kind] += 1
            return self._error(request, 503, str(error))
        if isinstance(error, FsyncError):
            status = 404 if isinstance(error, UnknownName) else 413 if isinstance(error, TooMany) else 400
            return self._error(request, status, str(error))
        _LOG.error("fsync: request %s failed", request.id.decode(), exc_info=error)
        return self._error(request, 500, "the server failed; its log has the request's id")

    def _error(self, request: Request, status: int, message: str) -> Response:
        # A name may hold what no UTF-8 has; it is repeated with question marks.
        text = message.encode("utf-8", "replace").decode()
        return Response(
            status, _JSON, msgspec.json.encode({"error": text, "request_id": request.id.decode()})
        )

    def _log(self, request: Request, route: str, status: int, seconds: float) -> None:
        """No path and no body: they name players."""
        line = {
            "time": to_text(now()),
            "request_id": request.id.decode(),
            "method": request.method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "consumer": request.consumer or None,
            "refused": request.reason or None,
        }
        with suppress(OSError, ValueError):
            sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
            sys.stdout.flush()

    def _admit(self, request: Request, catalog: Catalog) -> Consumer:
        consumer = self.access.consumer(catalog.tokens, request.authorization)
        request.consumer = f"{consumer.service} ({consumer.token})" if consumer.service else ""
        return consumer

    async def _services(self, request: Request) -> Response:
        catalog = await self.keeper.current()
        return Response(200, _JSON, services(catalog, self._admit(request, catalog)))

    async def _health(self, _: Request) -> Response:
        return Response(200, _JSON, b'{"status":"ok"}')

    async def _ready(self, _: Request) -> Response:
        catalog = await self.keeper.reload()
        if not catalog.metas:
            raise RedisDown(f"no view of {self.settings.project} is in Redis; run `fsync online`", "empty")
        return Response(200, _JSON, b'{"status":"ok","views":%d}' % len(catalog.metas))

    async def _metrics(self, request: Request) -> Response:
        catalog = self.keeper.loaded
        if catalog is not None:
            self.access.consumer(catalog.tokens, request.authorization)
        metrics = self.workers.sum(self.metrics)
        return Response(200, _TEXT, metrics.text(catalog.metas.values() if catalog else ()).encode())

    async def _openapi(self, _: Request) -> Response:
        return Response(200, _JSON, openapi(self.settings))

    async def _docs(self, _: Request) -> Response:
        return Response(200, _HTML, DOCS)


def application() -> Application:
    """What uvicorn calls in each worker."""
    return Application(Settings.from_environment())
