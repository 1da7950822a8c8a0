"""A network that is cut at random bytes, many times: what Redis holds is whole, and the next run mends it."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from redis.connection import AbstractConnection

from sync import FeatureStore, FsyncError
from sync.online import scripts
from sync.online.run import SyncResult
from tests.conftest import Arcade

VIEW = "player_activity@2"
ROWS = "fsync:{arcade/player_activity@2}:rows"
META = "fsync:{arcade/player_activity@2}:meta"
COUNT, CUTS = 600, 60
# Bytes of a run after its rows.
END = 4000


class Proxy:
    """TCP to Redis' socket, that lets so many bytes through, both ways together, and then no more."""

    def __init__(self, path: str) -> None:
        self._path, self._room = path, threading.Lock()
        self.passed, self.limit = 0, -1
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, count: int) -> None:
        """From now on; a negative number is for never."""
        with self._room:
            self.passed, self.limit = 0, count

    def close(self) -> None:
        self._listener.close()
        self._hang_up()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                with self._room:
                    allowed = len(data) if self.limit < 0 else max(self.limit - self.passed, 0)
                    self.passed += len(data)
                sink.sendall(data[:allowed])
                if allowed < len(data):
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _hang_up(self) -> None:
        for end in self._open:
            end.close()


@pytest.fixture
def proxy(arcade: Arcade) -> Iterator[Proxy]:
    proxy = Proxy(urlsplit(arcade.redis_url).path)
    yield proxy
    proxy.close()


def generation(arcade: Arcade, number: int) -> None:
    """Every player has this generation's row too; the one of the generation is there in no other."""
    hour = f"timestamp '2024-03-01' + interval {number} hour"
    arcade.execute(
        "insert into player_activity_v2 "
        f"select 'p' || i, {hour}, {hour}, {number}, 0 from range({COUNT}) as t (i)",
        f"insert into player_activity_v2 values ('only{number}', {hour}, {hour}, {number}, 0)",
    )


def as_of(number: int) -> str:
    return f"2024-03-{1 + number // 24:02} {number % 24:02}:30:00"


def found(arcade: Arcade) -> set[int]:
    rows = arcade.stored(VIEW)
    assert {f"p{i}" for i in range(COUNT)} <= rows.keys()
    return {row["sessions"] for key, row in rows.items() if key.startswith("p")}


def watermark(arcade: Arcade) -> bytes:
    stored: bytes = arcade.client.hget(META, "source")
    return stored


@pytest.mark.parametrize("full_refresh", [True, False])
def test_a_network_that_is_cut_at_random_bytes(arcade: Arcade, proxy: Proxy, full_refresh: bool) -> None:
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 0)
    store = FeatureStore(arcade.path, redis_url=proxy.url)

    def sync(number: int) -> SyncResult:
        (result,) = store.sync_each([VIEW], as_of=as_of(number), full_refresh=full_refresh, retries=0)
        return result

    sync(0)
    generation(arcade, 1)
    proxy.cut_after(-1)
    sync(1)
    size, seed, failed, mended = proxy.passed, random.randrange(10**9), 0, 0
    print("seed", seed)
    chance = random.Random(seed)
    for number in range(2, CUTS + 2):
        generation(arcade, number)
        before = watermark(arcade)
        # Half of them where the view is switched, or its watermark moved.
        proxy.cut_after(chance.choice([chance.randrange(size), size - chance.randrange(END)]))
        try:
            error = sync(number).error
        except FsyncError as unreachable:
            error = str(unreachable)
        failed += error is not None
        generations = found(arcade)
        assert generations <= {number - 1, number}, "a row of a generation that was already replaced"
        if watermark(arcade) != before:
            assert generations == {number}, "the watermark is ahead of the rows"
            assert f"only{number}" in arcade.stored(VIEW)
        if full_refresh:
            assert len(generations) == 1, "old or new, never a mixture"
        proxy.cut_after(-1)
        # The lease of a run that could not give it back, which another run would wait for.
        mended += arcade.client.delete("fsync:{arcade/player_activity@2}:lock")
        assert sync(number).error is None
        assert found(arcade) == {number}
        assert len(arcade.stored(VIEW)) == COUNT + number + 1
    assert failed > CUTS / 2
    assert mended


def test_the_answer_to_the_switch_is_lost(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happened nevertheless, and must not happen again."""
    arcade.execute("delete from player_activity_v2")
    generation(arcade, 0)
    arcade.store().sync([VIEW], as_of=as_of(0))
    send, read = AbstractConnection.send_packed_command, AbstractConnection.read_response
    switching: list[AbstractConnection] = []

    def sending(connection: AbstractConnection, command: Any, **options: Any) -> None:
        if scripts.SWAP.encode() in b"".join(command) and not switching:
            switching.append(connection)
        send(connection, command, **options)

    def reading(connection: AbstractConnection, *arguments: Any, **options: Any) -> Any:
        answer = read(connection, *arguments, **options)
        if switching == [connection]:
            switching.append(connection)
            connection.disconnect()
            raise redis.ConnectionError("cut")
        return answer

    monkeypatch.setattr(AbstractConnection, "send_packed_command", sending)
    monkeypatch.setattr(AbstractConnection, "read_response", reading)
    (result,) = arcade.store().sync_each([VIEW], as_of=as_of(0), full_refresh=True)
    assert (result.error, result.full, result.entities) == (None, "full refresh", COUNT + 1)
    assert len(switching) == 2
    assert len(arcade.stored(VIEW)) == COUNT + 1
