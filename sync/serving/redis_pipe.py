"""One Redis connection that all requests of a worker share."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import hiredis

from sync.errors import FsyncError
from sync.online.address import SENTINEL_URL, Server, mode_of

WATCH_SECONDS = 0.05
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


class RedisDown(FsyncError):
    """Redis cannot be asked now; asking later may help. `kind` is a word for metrics."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Outdated(FsyncError):
    """What a worker knew of Redis is no longer so: it may ask again once it has looked anew."""


class Login(NamedTuple):
    """What a server is told first. `tls`: None for a connection in the clear."""

    database: int
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None


def pack(*words: "str | bytes") -> bytes:
    """A command as Redis reads it."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]
    return packed


# Given the replies, or why there are none, in the turn of the loop that read them. It raises nothing.
Done = Callable[["list[Any] | RedisDown"], None]


class _Pending(NamedTuple):
    done: Done
    replies: int
    since: float


class _Connection(asyncio.Protocol):
    """Answers belong to the connection they were asked on: with it, all that are owed are lost."""

    def __init__(self, timeout: float) -> None:
        self._reader = hiredis.Reader()
        self._pending: deque[_Pending] = deque()
        self._received: list[Any] = []
        self._transport: Any = None
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self.lost = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._watch = self._loop.call_later(WATCH_SECONDS, self._watchdog)

    def send(self, commands: bytes, replies: int, done: Done) -> None:
        if self.lost.done():
            done(RedisDown("Redis cannot be reached; try again", "connection"))
            return
        self._pending.append(_Pending(done, replies, time.monotonic()))
        if not self._transport.is_closing():
            self._transport.write(commands)

    async def ask(self, commands: bytes, replies: int) -> list[Any]:
        future: asyncio.Future[list[Any]] = self._loop.create_future()

        def done(outcome: "list[Any] | RedisDown") -> None:
            # One that is done was given up by whoever asked.
            if future.done():
                return
            if isinstance(outcome, RedisDown):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.send(commands, replies, done)
        return await future

    def data_received(self, data: bytes) -> None:
        reader, received, pending = self._reader, self._received, self._pending
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                if not pending:
                    raise hiredis.ProtocolError("an answer to no question")
                received.append(reply)
                if len(received) == pending[0].replies:
                    self._received = []
                    pending.popleft().done(received)
                    received = self._received
        except hiredis.ProtocolError:
            self.abort("protocol", "Redis answered what is no Redis protocol")

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self.abort("connection", "the connection to Redis broke; try again")

    def abort(self, kind: str, message: str) -> None:
        if self._watch:
            self._watch.cancel()
        if not self.lost.done():
            self.lost.set_result(None)
        while self._pending:
            self._pending.popleft().done(RedisDown(message, kind))
        if self._transport:
            self._transport.abort()

    def _watchdog(self) -> None:
        if self._pending and time.monotonic() - self._pending[0].since > self._timeout:
            self.abort("timeout", "Redis does not answer in time; try again")
            return
        self._watch = self._loop.call_later(WATCH_SECONDS, self._watchdog)


class RedisPipe:
    """`locate` says where the server is now, or raises RedisDown; it is asked before each attempt to connect.

    `at`, `mode`: of the server that was connected last; its mode is `standalone` or `cluster`.
    """

    def __init__(self, locate: Callable[[], Awaitable[Server]], login: Login, timeout: float) -> None:
        self._locate, self._login = locate, login
        self._timeout = timeout
        self.at: Server | None = None
        self.mode = ""
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._why = RedisDown("Redis is not connected yet; try again", "connection")

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        """Connects, and stays connected until closed. Returns after the first attempt, whatever its end."""
        tried = asyncio.Event()
        self._task = asyncio.create_task(self._stay_connected(tried))
        await tried.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._connection:
            self._connection.abort("connection", "the server is stopping")

    def leave(self, why: str) -> None:
        """The server it is connected to, for the one that is told next."""
        if self._connection:
            self._connection.abort("connection", why)

    def send(self, commands: bytes, replies: int, done: Done) -> None:
        if self._connection is None:
            done(RedisDown(str(self._why), self._why.kind))
        else:
            self._connection.send(commands, replies, done)

    async def ask(self, commands: bytes, replies: int) -> list[Any]:
        if self._connection is None:
            raise RedisDown(str(self._why), self._why.kind)
        return await self._connection.ask(commands, replies)

    async def command(self, *words: "str | bytes") -> Any:
        (reply,) = await self.ask(pack(*words), 1)
        if isinstance(reply, hiredis.ReplyError):
            raise refused(reply)
        return reply

    async def _stay_connected(self, tried: asyncio.Event) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                # `wait_for` of Python 3.11 can lose the cancellation that `close` waits for.
                async with asyncio.timeout(self._timeout + 1):
                    self._connection = await self._connect()
                pause = FIRST_PAUSE
                tried.set()
                await self._connection.lost
                self._why = RedisDown("the connection to Redis broke; try again", "connection")
            except RedisDown as error:
                self._why = error
            except ssl.SSLCertVerificationError as error:
                self._why = RedisDown(
                    f"Redis' certificate is not trusted ({error.verify_message}); the URL may name its "
                    "authority: ?ssl_ca_certs=FILE",
                    "tls",
                )
            except (OSError, TimeoutError):
                self._why = RedisDown("Redis cannot be reached; try again", "connection")
            self._connection = None
            tried.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connect(self) -> _Connection:
        loop, login, at = asyncio.get_running_loop(), self._login, await self._locate()

        def protocol() -> _Connection:
            return _Connection(self._timeout)

        if at.path is not None:
            _, connection = await loop.create_unix_connection(protocol, at.path)
        else:
            _, connection = await loop.create_connection(protocol, at.host, at.port, ssl=login.tls)
        greetings = [
            ("CLIENT", "SETNAME", "fsync-serve"),
            ("HELLO",),
            ("SELECT", str(login.database)),
            ("PING",),
        ]
        if login.password is not None:
            user = [login.username] if login.username else []
            greetings.insert(0, ("AUTH", *user, login.password))
        try:
            replies = await connection.ask(
                b"".join(pack(*greeting) for greeting in greetings), len(greetings)
            )
            hello = replies[greetings.index(("HELLO",))]
            mode = "standalone" if isinstance(hello, hiredis.ReplyError) else mode_of(hello)
            if mode == "sentinel":
                raise RedisDown(f"this is a Sentinel; write {SENTINEL_URL}", "sentinel")
            for greeting, reply in zip(greetings, replies, strict=True):
                if isinstance(reply, hiredis.ReplyError) and greeting[0] not in ("CLIENT", "HELLO"):
                    raise refused(reply)
        except BaseException:
            connection.abort("connection", "Redis refused the connection")
            raise
        self.at, self.mode = at, mode
        return connection


def refused(reply: Exception) -> FsyncError:
    """Of Redis' own words only the first: the others may repeat what was sent."""
    word = str(reply).split(" ", 1)[0].rstrip(":")
    if word == "MOVED":
        return Outdated("Redis has moved what was asked for; try again")
    return RedisDown(f"Redis refuses to answer ({word}); try again later", "refused")
