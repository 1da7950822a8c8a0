"""The Redis server that holds a key: the only one, the primary that Sentinels know, a node of a Cluster."""

import asyncio
import ssl
from binascii import crc_hqx
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import hiredis

from sync.errors import FsyncError
from sync.online.address import Address, Server, parse_address
from sync.serving.redis_pipe import Done, Login, RedisDown, RedisPipe, pack, refused

SLOTS = 16384
ASK_SENTINEL_SECONDS = 1.0
NOBODY = "no server of the Redis Cluster has what was asked for; try again"


def address_of(url: str) -> tuple[Address, Login]:
    """Raises FsyncError for what is no URL, or names certificates that cannot be read."""
    try:
        address = parse_address(url)
    except ValueError as error:
        raise FsyncError(f"the Redis URL is none: {error}; write redis://host:6379/0") from None
    return address, Login(address.database, address.username, address.password, _tls(address))


def _tls(address: Address) -> ssl.SSLContext | None:
    if not address.secure:
        return None
    said = address.options
    try:
        context = ssl.create_default_context(cafile=said.get("ssl_ca_certs"), capath=said.get("ssl_ca_path"))
        if certificate := said.get("ssl_certfile"):
            context.load_cert_chain(certificate, said.get("ssl_keyfile"), said.get("ssl_password"))
    except OSError as error:
        raise FsyncError(f"a certificate that the Redis URL names cannot be read: {error.strerror}") from None
    unchecked = said.get("ssl_cert_reqs") == "none"
    if unchecked or said.get("ssl_check_hostname", "true").lower() in ("false", "no", "0"):
        context.check_hostname = False
    if unchecked:
        context.verify_mode = ssl.CERT_NONE
    return context


class Servers:
    """`only`: the one server that all keys are on; None in a Cluster."""

    def __init__(self, url: str, timeout: float) -> None:
        self._address, self._login = address_of(url)
        self._timeout = timeout
        self._seed = RedisPipe(self._locate, self._login, timeout)
        self.only: RedisPipe | None = self._seed
        # Of a Cluster, by address and by slot.
        self._nodes: dict[Server, RedisPipe] = {}
        self._slots: list[RedisPipe | None] = []

    async def open(self) -> None:
        await self._seed.open()

    async def close(self) -> None:
        for pipe in (self._seed, *self._nodes.values()):
            await pipe.close()

    async def look(self) -> None:
        """For what has moved: the primary, or slots of the Cluster. Raises RedisDown where nobody tells."""
        if self._address.primary is not None:
            with suppress(RedisDown):
                if self._seed.is_connected and await self._primary() != self._seed.at:
                    self._seed.leave("Redis has another primary now; try again")
        elif self._seed.mode == "cluster":
            self.only = None
            await self._take(await self._told())

    def send(self, key: bytes, commands: bytes, replies: int, done: Done) -> None:
        """To the server that has the key."""
        pipe = self._pipe(key)
        if pipe is None:
            done(RedisDown(NOBODY, "cluster"))
        else:
            pipe.send(commands, replies, done)

    async def hashes(self, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        """All fields of each."""
        if self.only is not None:
            commands = b"".join(pack("HGETALL", key) for key in keys)
            replies = await self.only.ask(commands, len(keys)) if keys else []
        else:
            replies = [answer for (answer,) in await asyncio.gather(*map(self._ask_all_of, keys))]
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise refused(reply)
        return [dict(zip(reply[::2], reply[1::2], strict=True)) for reply in replies]

    async def _ask_all_of(self, key: str) -> list[Any]:
        pipe = self._pipe(key.encode())
        if pipe is None:
            raise RedisDown(NOBODY, "cluster")
        return await pipe.ask(pack("HGETALL", key), 1)

    def _pipe(self, key: bytes) -> RedisPipe | None:
        if self.only is not None:
            return self.only
        return self._slots[_slot(key)] if self._slots else None

    async def _locate(self) -> Server:
        return self._address.servers[0] if self._address.primary is None else await self._primary()

    async def _primary(self) -> Server:
        """As the first Sentinel says that answers."""
        question = pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.primary or "")
        for sentinel in self._address.servers:
            with suppress(OSError, TimeoutError, hiredis.ProtocolError):
                async with asyncio.timeout(ASK_SENTINEL_SECONDS):
                    answer = await _ask_once(sentinel, question)
                if isinstance(answer, list):
                    host, port = answer
                    return Server(host.decode(), int(port))
        raise RedisDown("no Sentinel says where the primary is; try again", "sentinel")

    async def _told(self) -> list[Any]:
        """Ranges of slots, as any node says that answers."""
        for pipe in (*self._nodes.values(), self._seed):
            with suppress(RedisDown):
                said: list[Any] = await pipe.command("CLUSTER", "SLOTS")
                return [(first, last, _server(primary, pipe)) for first, last, primary, *_ in said]
        raise RedisDown("no node of the Redis Cluster answers; try again", "connection")

    async def _take(self, ranges: Sequence[tuple[int, int, Server]]) -> None:
        servers = {server for _, _, server in ranges}
        new = {
            server: RedisPipe(partial(_known, server), self._login, self._timeout)
            for server in servers - self._nodes.keys()
        }
        await asyncio.gather(*[pipe.open() for pipe in new.values()])
        gone = [pipe for server, pipe in self._nodes.items() if server not in servers]
        self._nodes = {server: pipe for server, pipe in (self._nodes | new).items() if server in servers}
        self._slots = [None] * SLOTS
        for first, last, server in ranges:
            self._slots[first : last + 1] = [self._nodes[server]] * (last + 1 - first)
        for pipe in gone:
            await pipe.close()


async def _known(server: Server) -> Server:
    return server


def _server(node: Sequence[Any], asked: RedisPipe) -> Server:
    """A node without a host is at that of the one that was asked."""
    host, port = node[0], node[1]
    return Server(host.decode() if host else asked.at.host if asked.at else "localhost", port)


async def _ask_once(server: Server, question: bytes) -> Any:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(question)
        replies = hiredis.Reader()
        while (reply := replies.gets()) is False:
            data = await reader.read(1 << 16)
            if not data:
                return None
            replies.feed(data)
        return reply
    finally:
        writer.close()


@lru_cache(4096)
def _slot(key: bytes) -> int:
    """Of the part in the first braces, by CRC16: "Key distribution model" in Redis' Cluster specification."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    tagged = key[start + 1 : end] if start >= 0 and end > start + 1 else key
    return crc_hqx(tagged, 0) % SLOTS
