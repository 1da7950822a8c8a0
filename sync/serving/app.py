"""The application: routes, refusals, logs. HTTP itself is http.py's; what is read and how, reading.py's."""

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec

from sync.errors import FsyncError
from sync.instants import now, to_text
from sync.online.resolve import UnknownName
from sync.serving.access import Access, Consumer, Refusal
from sync.serving.catalog import Catalog, CatalogKeeper
from sync.serving.http import Request, Response
from sync.serving.metrics import Metrics
from sync.serving.openapi import DOCS, openapi
from sync.serving.reading import Reading, services
from sync.serving.redis_pipe import RedisDown, RedisPipe
from sync.serving.requests import TooMany, decode_batch, decode_online, decode_rows
from sync.serving.settings import Settings
from sync.serving.workers import Workers

_JSON, _TEXT, _HTML = (
    b"application/json",
    b"text/plain; version=0.0.4; charset=utf-8",
    b"text/html; charset=utf-8",
)
TELL_SECONDS = 1.0
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


class Application:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.redis = RedisPipe(settings.redis_url, settings.timeout)
        self.keeper = CatalogKeeper(self.redis, settings.project)
        self.metrics, self.workers = Metrics(), Workers(settings.workers_folder)
        self.access = Access(closed=settings.closed, pii=settings.pii)
        self.reading = Reading(self.redis, self.keeper, self.metrics)
        self.max_body, self.timeout = settings.max_body, settings.timeout
        self._handlers: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/batch-features": self._batch,
            "/get-online-features": self._online,
            "/online-features": self._rows,
            "/features": self._single,
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
        await self.redis.open()
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
        await self.redis.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _tell(self) -> None:
        while True:
            self.workers.tell(self.metrics)
            await asyncio.sleep(TELL_SECONDS)

    async def answer(self, request: Request) -> Response:
        route = "/features" if request.path.startswith("/features/") else request.path
        response = await self._answer(request, route)
        self._count(request, route if route in self._handlers else "unknown", response.status)
        return response

    def refused(self, request: Request, status: int, message: str) -> Response:
        """Of a request that never came whole, or that failed."""
        self._count(request, "unknown", status)
        return self._error(request, status, message)

    def _count(self, request: Request, route: str, status: int) -> None:
        seconds = time.perf_counter() - request.started
        self.metrics.requests[route, status] += 1
        self.metrics.latency[route].observe(seconds)
        # Refusals are logged whether or not the others are.
        if self.settings.access_log or request.reason:
            self._log(request, route, status, seconds)

    async def _answer(self, request: Request, route: str) -> Response:
        try:
            handler = self._handlers.get(route)
            if handler is None:
                return self._error(request, 404, f"there is no {request.path}; /docs lists the routes")
            method = _METHODS[route]
            if request.method != method and (request.method, method) != ("HEAD", "GET"):
                refusal = self._error(request, 405, f"{route} is asked by {method}")
                return refusal._replace(allow=method.encode())
            return await handler(request)
        except Refusal as error:
            request.reason = error.reason
            self.metrics.refusals[error.reason] += 1
            return self._error(request, error.status, str(error))
        except RedisDown as error:
            self.metrics.redis_errors[error.kind] += 1
            return self._error(request, 503, str(error))
        except UnknownName as error:
            return self._error(request, 404, str(error))
        except TooMany as error:
            return self._error(request, 413, str(error))
        except FsyncError as error:
            return self._error(request, 400, str(error))

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

    async def _admit(self, request: Request) -> tuple[Catalog, Consumer]:
        catalog = await self.keeper.current()
        consumer = self.access.consumer(catalog.tokens, request.authorization)
        request.consumer = f"{consumer.service} ({consumer.token})" if consumer.service else ""
        return catalog, consumer

    async def _batch(self, request: Request) -> Response:
        catalog, consumer = await self._admit(request)
        wanted = decode_batch(request.body, self.settings.max_entities)
        return Response(200, _JSON, await self.reading.batch(catalog, consumer, wanted))

    async def _online(self, request: Request) -> Response:
        catalog, consumer = await self._admit(request)
        wanted = decode_online(request.body, self.settings.max_entities)
        return Response(200, _JSON, await self.reading.columnar(catalog, consumer, wanted))

    async def _rows(self, request: Request) -> Response:
        catalog, consumer = await self._admit(request)
        wanted = decode_rows(request.body, self.settings.max_entities)
        return Response(200, _JSON, await self.reading.rows(catalog, consumer, wanted))

    async def _single(self, request: Request) -> Response:
        catalog, consumer = await self._admit(request)
        name, slash, key = request.path.removeprefix("/features/").partition("/")
        if not name or not slash or not key:
            raise UnknownName("write /features/VIEW/KEY")
        return Response(200, _JSON, await self.reading.single(catalog, consumer, name, key))

    async def _services(self, request: Request) -> Response:
        return Response(200, _JSON, services(*await self._admit(request)))

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
