"""Loads, deletions, pushes, redefinitions, syncs, kills in any order: what is known is what is served."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.connection import AbstractConnection

from sync import FsyncError
from sync.changes import current
from sync.online import layout
from sync.online.read import read_meta
from tests.conftest import Arcade

VIEW = "player_activity@2"
START = datetime(2024, 3, 1)
TTL = 720.0
PLAYERS = "abc"


class Row(NamedTuple):
    """Hours since the start; `sessions` tells rows apart."""

    player: str
    event: float
    created: float
    sessions: int

    @property
    def order(self) -> tuple[float, float]:
        return self.event, self.created


class Definition(NamedTuple):
    shards: int
    sql: str


class Killed(BaseException):
    """As a process that is killed, it sends nothing more, whatever is still to be cleaned up."""


@contextmanager
def before_command(number: int, what: Callable[[], None]) -> Iterator[None]:
    """Does it once, before Redis gets its so manieth command from now on."""
    send, sent, dead = AbstractConnection.send_packed_command, 0, False

    def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal sent, dead
        sent += 1
        if dead:
            raise Killed
        if sent == number:
            try:
                what()
            except Killed:
                dead = True
                raise
        return send(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", counting)
        yield


class Lifecycle:
    """A warehouse, what was pushed, and what a reader must find.

    `pushed`: rows that stand in Redis past the warehouse; `doubtful`: that may stand there, since a sync was
    killed; `strays`: that the next full sync drops, since the warehouse had rows that were created later.
    `synced`: what the last sync knew of the warehouse; None after one that was killed.
    """

    def __init__(self, arcade: Arcade) -> None:
        self.arcade = arcade
        self.hour = 0.0
        self.number = 0
        self.rows: list[Row] = []
        self.pushed: list[Row] = []
        self.doubtful: list[Row] = []
        self.strays: set[Row] = set()
        self.synced: list[Row] | None = None
        self.live: Definition | None = None
        self.define(Definition(1, "one"))
        self.sync()

    def row(self, player: str, event: float, created: float) -> Row:
        self.number += 1
        return Row(player, event, created, self.number)

    def load(self, player: str, event: float, created: float) -> None:
        self.insert(self.row(player, self.hour - event, self.hour - created))

    def load_pushed(self) -> None:
        for row in self.pushed[:1]:
            if row not in self.rows:
                self.insert(row)

    def insert(self, row: Row) -> None:
        if all((row.player, row.order) != (other.player, other.order) for other in self.rows):
            self.rows.append(row)
            values = f"'{row.player}', '{at(row.event)}', '{at(row.created)}', {row.sessions}, 0"
            self.arcade.execute(f"insert into player_activity_v2 values ({values})")

    def update(self, player: str, event: float) -> None:
        """As a model that keeps one row an entity does."""
        if all(row.event < self.hour - event for row in self.of(player, self.rows)):
            self.delete(player, 0)
            self.load(player, event, 0)

    def delete(self, player: str, keep: int) -> None:
        gone = self.of(player, self.rows)[keep:]
        self.rows = [row for row in self.rows if row not in gone]
        for row in gone:
            where = f"player_id = '{player}' and sessions = {row.sessions}"
            self.arcade.execute(f"delete from player_activity_v2 where {where}")

    def define(self, definition: Definition) -> None:
        self.defined = definition
        with self.arcade.node("player_activity.v2") as node:
            node["config"]["meta"]["shards"] = definition.shards
            node["checksum"]["checksum"] = definition.sql

    def push(self, player: str, event: float) -> Row | None:
        """The row, if it came to stand in Redis."""
        row = self.row(player, self.hour - event, self.hour)
        given = {"player_id": player, "event_timestamp": at(row.event), "created_timestamp": at(row.created)}
        try:
            pushed = self.arcade.store().push(
                VIEW, [{**given, "sessions": row.sessions, "play_minutes": 0.0}]
            )
        except FsyncError:
            return None
        return row if pushed.written else None

    def push_now(self, player: str, event: float) -> None:
        row = self.push(player, event)
        assert self.live in (self.defined, None) or row is None
        if row:
            self.pushed = [other for other in self.pushed if other.player != player] + [row]
        if self.synced is not None:
            self.check(self.synced)

    def sync(self, *, full: bool = False, pushes: str = "", kill: bool = False, command: int = 0) -> None:
        """Something happens before the command of this number."""
        arrived: list[Row] = []

        def happen() -> None:
            if kill:
                raise Killed
            arrived.extend(row for player in pushes if (row := self.push(player, 1)))

        watermark = max((row.created for row in self.rows if row.created <= self.hour), default=-1.0)
        try:
            with before_command(command, happen):
                (result,) = self.arcade.store().sync([VIEW], as_of=at(self.hour), full_refresh=full)
        except Killed:
            for key in self.arcade.client.scan_iter("*:lock"):
                self.arcade.client.delete(key)
            if self.live != self.defined:
                self.live = None
            self.doubtful += self.pushed
            self.pushed, self.synced = [], None
            return
        certain = self.live is not None and self.live.shards == self.defined.shards
        if result.full is not None:
            doubtful = [*self.doubtful, *self.pushed] if self.live is None else self.doubtful
            self.doubtful = [row for row in doubtful if row.created > watermark and row not in self.strays]
            kept = [row for row in self.pushed if row.created > watermark and row not in self.strays]
            self.pushed = kept if certain else []
            certain = certain and watermark < self.hour
        new = {row.player for row in arrived} if certain else set()
        self.pushed = [row for row in self.pushed if row.player not in new]
        (self.pushed if certain else self.doubtful).extend(arrived)
        self.pushed = [row for row in self.pushed if not self.is_replaced(row)]
        self.strays |= {row for row in [*self.pushed, *self.doubtful] if row.created <= watermark}
        self.live, self.synced = self.defined, self.known()
        self.check(self.synced)
        self.check_keys()

    def is_replaced(self, pushed: Row) -> bool:
        return any(row.order >= pushed.order for row in self.of(pushed.player, self.known()))

    def known(self) -> list[Row]:
        return [
            row for row in self.rows if self.hour - TTL <= row.event <= self.hour and row.created <= self.hour
        ]

    @staticmethod
    def of(player: str, rows: list[Row]) -> list[Row]:
        return [row for row in rows if row.player == player]

    def check(self, known: list[Row]) -> None:
        store = self.arcade.store()
        answer = store.get_online_features(list(PLAYERS), VIEW, timestamp=at(self.hour)).to_dict()
        for player, sessions in zip(PLAYERS, answer["player_activity@2:sessions"], strict=True):
            best = max(self.of(player, [*known, *self.pushed]), key=lambda row: row.order, default=None)
            doubtful = [
                row for row in self.of(player, self.doubtful) if best is None or row.order > best.order
            ]
            expected = [
                row.sessions if row and row.event >= self.hour - TTL else 0 for row in [best, *doubtful]
            ]
            assert sessions in expected, (player, self.hour)

    def check_keys(self) -> None:
        """Nothing is left over for ever, nor is a row past its ttl, unless the warehouse may yet send it."""
        client, meta = self.arcade.client, read_meta(self.arcade.client, "arcade", VIEW)
        assert meta
        assert (meta.replaced, meta.pending) == (None, None)
        shards = layout.shard_keys("arcade", VIEW, meta.shards, meta.fingerprint)
        own = {shards[0].meta}
        for keys in shards:
            own |= {keys.rows, keys.pushed, keys.stray, keys.mixed}
        for key in client.scan_iter("fsync:{arcade/*"):
            assert key.decode() in own or 0 <= client.ttl(key) <= 600, key
        for keys in shards:
            for field, row in client.hgetall(keys.rows).items():
                event = datetime(1970, 1, 1) + timedelta(microseconds=int(row[:16]))
                assert event >= at(self.hour - TTL) or client.zscore(keys.pushed, field) is not None, field


def at(hour: float) -> datetime:
    return START + timedelta(seconds=round(hour * 3600))


PLAYER = st.sampled_from(PLAYERS)
EVENT = st.sampled_from([0, 1, 30, 800, -5, -100])
COMMAND = st.integers(1, 40)
OPERATION = st.one_of(
    st.tuples(st.just("load"), PLAYER, EVENT, st.just(0)),
    st.tuples(st.just("load"), PLAYER, EVENT, st.sampled_from([3, 40])),
    st.tuples(st.just("load_pushed")),
    st.tuples(st.just("update"), PLAYER, EVENT),
    st.tuples(st.just("delete"), PLAYER, st.integers(0, 1)),
    st.tuples(st.just("push_now"), PLAYER, st.sampled_from([0, 1, 30])),
    st.tuples(st.just("define"), st.builds(Definition, st.integers(1, 3), st.sampled_from(["one", "other"]))),
    st.tuples(st.just("sync"), st.fixed_dictionaries({"full": st.booleans()})),
    st.tuples(
        st.just("sync"),
        st.fixed_dictionaries({"full": st.booleans(), "kill": st.just(True), "command": COMMAND}),
    ),
    st.tuples(
        st.just("sync"), st.fixed_dictionaries({"full": st.booleans(), "pushes": PLAYER, "command": COMMAND})
    ),
)
OPERATIONS = st.lists(st.tuples(st.sampled_from([0.1, 1, 5, 40, 300]), OPERATION), min_size=15, max_size=40)


@pytest.fixture(autouse=True)
def _without_a_state_for_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than the sync of a few rows, and no reader sees it."""
    monkeypatch.setattr(current, "save_synced", lambda *_, **__: None)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(OPERATIONS)
# A full sync while a late event was pushed that is older than what the warehouse has.
@example([(1, ("load", "a", 0, 0)), (1, ("push_now", "a", 2)), (2, ("sync", {"full": True}))])
# A correction: the same event, known later.
@example([(1, ("push_now", "a", 0)), (1, ("push_now", "a", 1))])
def test_what_is_known_is_what_is_served(arcade: Arcade, operations: list[Any]) -> None:
    arcade.execute("delete from player_activity_v2")
    arcade.client.flushall()
    lifecycle = Lifecycle(arcade)
    for hours, (name, *details) in [*operations, (1, ("sync",))]:
        lifecycle.hour += hours
        if details and isinstance(details[0], dict):
            lifecycle.sync(**details[0])
        else:
            getattr(lifecycle, name)(*details)


@pytest.mark.parametrize("definition", [Definition(1, "one"), Definition(3, "one")])
def test_a_push_at_any_command_of_a_full_sync_is_kept(arcade: Arcade, definition: Definition) -> None:
    """Also where it takes the place of all rows, of the view or of its shard."""
    arcade.execute("delete from player_activity_v2")
    lifecycle = Lifecycle(arcade)
    lifecycle.define(definition)
    lifecycle.sync()
    for command in range(1, 40):
        lifecycle.hour += 1
        lifecycle.load("a", 0, 0)
        lifecycle.sync()
        lifecycle.hour += 1
        lifecycle.delete("a", 0)
        lifecycle.sync(full=True, pushes="c", command=command)
