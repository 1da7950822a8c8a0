"""The ASGI application: routes, limits, ids, logs. What is read and how stands in reading.py."""

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from secrets import token_hex
from typing import Any

import msgspec

from sync.errors import FsyncError
from sync.instants import now, to_text
from sync.online.resolve import UnknownName
from sync.serving.access import Access, Consumer, Refusal
from sync.serving.catalog import Catalog, CatalogKeeper
from sync.serving.metrics import Metrics
from sync.serving.openapi import DOCS, openapi
from sync.serving.reading import Reading, services
from sync.serving.redis_pipe import RedisDown, RedisPipe
from sync.serving.requests import TooMany, decode_batch, decode_online, decode_rows
from sync.serving.settings import Settings

_JSON, _TEXT, _HTML = (
    b"application/json",
    b"text/plain; version=0.0.4; charset=utf-8",
    b"text/html; charset=utf-8",
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
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


class HttpError(FsyncError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request:
    """One request, and what its log line tells."""

    __slots__ = ("authorization", "consumer", "id", "length", "path", "reason", "receive", "route", "scope")

    def __init__(self, scope: Any, receive: Any, number: bytes) -> None:
        self.scope, self.receive = scope, receive
        self.path: str = scope["path"]
        self.route = "/features" if self.path.startswith("/features/") else self.path
        self.id, self.authorization, self.length = number, None, 0
        self.consumer, self.reason = "", ""
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = value
            elif name == b"content-length":
                self.length = int(value) if value.isdigit() and len(value) < 19 else 0
            elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                self.id = value


class Application:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.redis = RedisPipe(settings.redis_url, settings.timeout)
        self.keeper = CatalogKeeper(self.redis, settings.project)
        self.metrics = Metrics()
        self.access = Access(closed=settings.closed, pii=settings.pii)
        self.reading = Reading(self.redis, self.keeper, self.metrics)
        self._prefix, self._number = token_hex(4), 0
        self._handlers: dict[str, Callable[[Request], Awaitable[tuple[int, bytes, bytes]]]] = {
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
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await self.redis.open()
        await self.keeper.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.keeper.close()
        await self.redis.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        started = time.perf_counter()
        self._number += 1
        request = Request(scope, receive, b"%s-%x" % (self._prefix.encode(), self._number))
        status, kind, body = await self._answer(request)
        headers = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request.id),
        ]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        elif status == 405:
            headers.append((b"allow", _METHODS[request.route].encode()))
        elif status in (408, 413):
            # What is left of the body is not read.
            headers.append((b"connection", b"close"))
        elif status in (429, 503):
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        seconds = time.perf_counter() - started
        route = request.route if request.route in self._handlers else "unknown"
        self.metrics.requests[route, status] += 1
        self.metrics.latency[route].observe(seconds)
        # Refusals are logged whether or not the others are.
        if self.settings.access_log or request.reason:
            self._log(request, route, status, seconds)

    async def _answer(self, request: Request) -> tuple[int, bytes, bytes]:
        try:
            handler = self._handlers.get(request.route)
            if handler is None:
                return self._error(request, 404, f"there is no {request.path}; /docs lists the routes")
            method = _METHODS[request.route]
            if request.scope["method"] not in ((method, "HEAD") if method == "GET" else (method,)):
                return self._error(request, 405, f"{request.route} is asked by {method}")
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
        except HttpError as error:
            return self._error(request, error.status, str(error))
        except FsyncError as error:
            return self._error(request, 400, str(error))

    def _error(self, request: Request, status: int, message: str) -> tuple[int, bytes, bytes]:
        # A name may hold what no UTF-8 has; it is repeated with question marks.
        text = message.encode("utf-8", "replace").decode()
        return status, _JSON, msgspec.json.encode({"error": text, "request_id": request.id.decode()})

    def _log(self, request: Request, route: str, status: int, seconds: float) -> None:
        """No path and no body: they name players."""
        line = {
            "time": to_text(now()),
            "request_id": request.id.decode(),
            "method": request.scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "consumer": request.consumer or None,
            "refused": request.reason or None,
        }
        with suppress(OSError, ValueError):
            sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
            sys.stdout.flush()

    async def _body(self, request: Request) -> bytes:
        most = self.settings.max_body
        if request.length > most:
            raise HttpError(413, f"the body has {request.length} bytes; at most {most}")
        chunks, size, more = [], 0, True
        try:
            async with asyncio.timeout(self.settings.timeout):
                while more:
                    message = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise HttpError(408, "the client went away")
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > most:
                        raise HttpError(413, f"the body has more than {most} bytes")
                    more = message.get("more_body", False)
        except TimeoutError:
            raise HttpError(408, "the body did not come in time") from None
        return b"".join(chunks)

    async def _admit(self, request: Request) -> tuple[Catalog, Consumer]:
        catalog = await self.keeper.current()
        consumer = self.access.consumer(catalog.tokens, request.authorization)
        request.consumer = f"{consumer.service} ({consumer.token})" if consumer.service else ""
        return catalog, consumer

    async def _batch(self, request: Request) -> tuple[int, bytes, bytes]:
        catalog, consumer = await self._admit(request)
        wanted = decode_batch(await self._body(request), self.settings.max_entities)
        return 200, _JSON, await self.reading.batch(catalog, consumer, wanted)

    async def _online(self, request: Request) -> tuple[int, bytes, bytes]:
        catalog, consumer = await self._admit(request)
        wanted = decode_online(await self._body(request), self.settings.max_entities)
        return 200, _JSON, await self.reading.columnar(catalog, consumer, wanted)

    async def _rows(self, request: Request) -> tuple[int, bytes, bytes]:
        catalog, consumer = await self._admit(request)
        wanted = decode_rows(await self._body(request), self.settings.max_entities)
        return 200, _JSON, await self.reading.rows(catalog, consumer, wanted)

    async def _single(self, request: Request) -> tuple[int, bytes, bytes]:
        catalog, consumer = await self._admit(request)
        name, slash, key = request.path.removeprefix("/features/").partition("/")
        if not name or not slash or not key:
            raise HttpError(404, "write /features/VIEW/KEY")
        return 200, _JSON, await self.reading.single(catalog, consumer, name, key)

    async def _services(self, request: Request) -> tuple[int, bytes, bytes]:
        return 200, _JSON, services(*await self._admit(request))

    async def _health(self, _: Request) -> tuple[int, bytes, bytes]:
        return 200, _JSON, b'{"status":"ok"}'

    async def _ready(self, _: Request) -> tuple[int, bytes, bytes]:
        catalog = await self.keeper.reload()
        if not catalog.metas:
            raise RedisDown(f"no view of {self.settings.project} is in Redis; run `fsync online`", "empty")
        return 200, _JSON, b'{"status":"ok","views":%d}' % len(catalog.metas)

    async def _metrics(self, request: Request) -> tuple[int, bytes, bytes]:
        catalog = self.keeper.loaded
        if catalog is not None:
            self.access.consumer(catalog.tokens, request.authorization)
        return 200, _TEXT, self.metrics.text(catalog.metas.values() if catalog else ()).encode()

    async def _openapi(self, _: Request) -> tuple[int, bytes, bytes]:
        return 200, _JSON, openapi(self.settings)

    async def _docs(self, _: Request) -> tuple[int, bytes, bytes]:
        return 200, _HTML, DOCS


def application() -> Application:
    """What uvicorn calls in each worker."""
    return Application(Settings.from_environment())
