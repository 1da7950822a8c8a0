"""Rows pushed past the warehouse, and syncs among them: the greatest (event, created) stays."""

import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sync import FsyncError
from sync.online import scripts
from sync.online.synchronize import Progress
from sync.online.write import ViewWriter
from tests.conftest import Arcade

VIEW = "player_activity@2"
ROWS = "fsync:{arcade/player_activity@2}:rows"
PUSHED = "fsync:{arcade/player_activity@2}:pushed"
MIXED = "fsync:{arcade/player_activity@2}:mixed"
STRAY = "fsync:{arcade/player_activity@2}:stray"
START = datetime(2024, 3, 1)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def row(player: str, event: float, created: float, sessions: int) -> dict[str, Any]:
    return {
        "player_id": player,
        "event_timestamp": at(event),
        "created_timestamp": at(created),
        "sessions": sessions,
        "play_minutes": 0.5,
    }


def load(arcade: Arcade, rows: list[dict[str, Any]]) -> None:
    for player, event, created, sessions, minutes in (row.values() for row in rows):
        values = f"'{player}', '{event}', '{created}', {sessions}, {minutes}"
        arcade.execute(f"insert into player_activity_v2 values ({values})")


def stored(arcade: Arcade) -> dict[str, int]:
    return {key: value["sessions"] for key, value in arcade.stored(VIEW).items()}


@pytest.fixture
def empty(arcade: Arcade) -> Arcade:
    arcade.execute("delete from player_activity_v2")
    arcade.store().sync([VIEW], as_of=START)
    return arcade


def test_a_pushed_row_is_read_at_once_and_an_older_one_is_not(empty: Arcade) -> None:
    store = empty.store()
    assert store.push(VIEW, [row("a", 1, 1, 1)]) == (1, 1)
    assert store.push(VIEW, [row("a", 0.5, 2, 9), row("b", 1, 1, 2)]) == (2, 1)
    assert store.push(VIEW, [row("a", 1, 1, 8)]) == (1, 0), "what stands there came first"
    answer = store.get_online_features(["a", "b"], VIEW, timestamp=at(2))
    assert answer.to_dict()["player_activity@2:sessions"] == [1, 2]


def test_a_store_that_was_closed_leaves_no_connection_and_connects_anew(empty: Arcade) -> None:
    def connections() -> set[str]:
        return {client["id"] for client in empty.client.client_list() if client["name"] == "fsync"}

    before = connections()
    with empty.store() as store:
        assert store.push(VIEW, [row("a", 1, 1, 1)]) == (1, 1)
        opened = connections() - before
    assert opened
    assert not opened & connections()
    assert store.push(VIEW, [row("a", 2, 2, 1)]) == (1, 1)
    store.close()


def test_one_entity_twice_in_a_push(empty: Arcade) -> None:
    empty.store().push(VIEW, [row("a", 1, 1, 1), row("a", 3, 3, 3), row("a", 2, 2, 2)])
    assert stored(empty) == {"a": 3}


def test_the_warehouse_is_right_at_a_tie(empty: Arcade) -> None:
    empty.store().push(VIEW, [row("a", 1, 1, 7)])
    load(empty, [row("a", 1, 1, 1)])
    empty.store().sync([VIEW], as_of=at(2))
    assert stored(empty) == {"a": 1}
    assert empty.client.zcard(PUSHED) == 0


def test_a_full_sync_keeps_what_the_warehouse_does_not_know(empty: Arcade) -> None:
    load(empty, [row("a", 1, 1, 1), row("b", 1, 1, 1)])
    empty.store().push(VIEW, [row("a", 5, 5, 5), row("new", 4, 4, 4)])
    (result,) = empty.store().sync([VIEW], as_of=at(6), full_refresh=True)
    assert result.kept == 2
    assert stored(empty) == {"a": 5, "b": 1, "new": 4}


@pytest.mark.parametrize("step", ["stage", "swap"])
def test_what_a_killed_sync_leaves_aside_expires(
    empty: Arcade, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Rows pushed before it began, or before its own first row is aside, are the only ones there."""
    store = empty.store()
    if step == "swap":
        store.push(VIEW, [row("a", 1, 1, 1)])
    left: list[int] = []
    original = getattr(ViewWriter, step)

    def killed(*arguments: Any) -> Any:
        if step == "stage":
            store.push(VIEW, [row("a", 1, 1, 1)])
        left.extend(empty.client.ttl(key) for key in empty.client.scan_iter("*:next:*"))
        return original(*arguments)

    monkeypatch.setattr(ViewWriter, step, killed)
    empty.store().sync([VIEW], as_of=at(2), full_refresh=True)
    assert [0 < ttl <= 600 for ttl in left] == [True]


def test_rows_pushed_under_other_features_go_with_them(empty: Arcade) -> None:
    load(empty, [row("a", 1, 1, 1)])
    empty.store().push(VIEW, [row("a", 5, 5, 5), row("new", 4, 4, 4)])
    stream = empty.store()
    assert stream.registry, "as it was"
    with empty.node("player_activity.v2") as node:
        del node["columns"]["play_minutes"]
        node["checksum"]["checksum"] = "another"
    progress = Progress(lambda *_: None, lambda _rows: stream.push(VIEW, [row("b", 6, 6, 6)]) and None)
    (result,) = empty.store().sync_each([VIEW], as_of=at(6), progress=progress)
    assert (result.full, result.kept, result.entities) == ("the view changed", 0, 1)
    assert empty.stored(VIEW) == {"a": {"sessions": 1}}
    assert not [key for key in empty.client.scan_iter() if b"pushed" in key or b"staging" in key]


def test_rows_pushed_under_another_order_of_features_go_with_it(empty: Arcade) -> None:
    load(empty, [row("a", 1, 1, 1)])
    empty.store().push(VIEW, [row("new", 4, 4, 4)])
    with empty.node("player_activity.v2") as node:
        node["columns"] = dict(reversed(node["columns"].items()))
    (result,) = empty.store().sync([VIEW], as_of=at(6))
    assert (result.full, result.kept) == ("the view changed", 0)
    assert empty.stored(VIEW) == {"a": {"sessions": 1, "play_minutes": 0.5}}


def test_rows_pushed_under_other_sql_stay(empty: Arcade) -> None:
    load(empty, [row("a", 1, 1, 1)])
    empty.store().push(VIEW, [row("a", 5, 5, 5)])
    with empty.node("player_activity.v2") as node:
        node["checksum"]["checksum"] = "another"
    (result,) = empty.store().sync([VIEW], as_of=at(6))
    assert (result.full, result.kept) == ("the view changed", 1)
    assert stored(empty) == {"a": 5}


def test_a_row_that_the_warehouse_never_gets_expires(empty: Arcade) -> None:
    """The ttl is 30 days, 720 hours."""
    sync = empty.store().sync
    lost, late, moved = (row(name, 1, 1, 1) for name in ("lost", "late", "moved"))
    empty.store().push(VIEW, [lost, late, moved])
    load(empty, [late, row("other", 600, 600, 2)])
    sync([VIEW], as_of=at(600))
    assert empty.client.zrange(STRAY, 0, -1) == [b"lost", b"moved"]
    assert empty.client.zcard(PUSHED) == 0
    empty.store().push(VIEW, [row("moved", 700, 700, 3)])
    (result,) = sync([VIEW], as_of=at(730))
    assert (result.full, result.removed, stored(empty)) == (None, 2, {"other": 2, "moved": 3})
    assert empty.client.zcard(STRAY) == 0
    load(empty, [row("other", 1200, 1200, 4)])
    sync([VIEW], as_of=at(1200))
    assert (empty.client.zrange(STRAY, 0, -1), stored(empty)) == ([b"moved"], {"other": 4, "moved": 3})
    (result,) = sync([VIEW], as_of=at(1430))
    assert (result.full, result.removed, stored(empty)) == (None, 1, {"other": 4})


def test_a_later_row_is_compared_with_one_that_was_pushed_before(
    empty: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = empty.store()
    # A push that is killed when its rows are in: the meta does not know of their events.
    monkeypatch.setattr(scripts, "NEWEST", "return 0")
    store.push(VIEW, [row("a", 5, 1, 5)])
    load(empty, [row("b", 2, 3, 2)])
    store.sync([VIEW], as_of=at(6))
    load(empty, [row("a", 4, 5, 4), row("b", 4, 5, 4)])
    store.sync([VIEW], as_of=at(6))
    assert stored(empty) == {"a": 5, "b": 4}


def test_rows_that_were_pushed_are_mixed_with_others_until_all_are_written_anew(empty: Arcade) -> None:
    store = empty.store()
    store.push(VIEW, [row("a", 1, 1, 1), row("b", 1, 3, 1)])
    load(empty, [row("a", 1, 2, 1)])
    for full_refresh in (False, True):
        store.sync([VIEW], as_of=at(4), full_refresh=full_refresh)
        assert empty.client.exists(MIXED), "b's row is not the warehouse's"
    load(empty, [row("b", 1, 4, 1)])
    for full_refresh in (False, True):
        store.sync([VIEW], as_of=at(4), full_refresh=full_refresh)
        assert empty.client.exists(MIXED) == (not full_refresh)


def test_more_strays_than_one_step_takes(empty: Arcade) -> None:
    empty.store().push(VIEW, [row(f"p{i}", 1, 1, i) for i in range(1203)])
    load(empty, [row("other", 600, 600, 2)])
    (result,) = empty.store().sync([VIEW], as_of=at(600))
    assert (result.entities, empty.client.zcard(STRAY)) == (1204, 1203)
    (result,) = empty.store().sync([VIEW], as_of=at(722))
    assert (result.full, result.removed, result.entities) == (None, 1203, 1)


def test_a_full_refresh_takes_strays_out(empty: Arcade) -> None:
    empty.store().push(VIEW, [row("lost", 1, 1, 1)])
    load(empty, [row("other", 2, 2, 2)])
    empty.store().sync([VIEW], as_of=at(2))
    empty.store().sync([VIEW], as_of=at(3), full_refresh=True)
    assert (stored(empty), empty.client.exists(STRAY)) == ({"other": 2}, 0)


def test_without_a_created_timestamp_it_was_created_now(empty: Arcade) -> None:
    given = row("a", 1, 1, 1)
    del given["created_timestamp"]
    empty.store().push(VIEW, [given])
    created = int(empty.client.hget(ROWS, "a")[16:32])
    assert abs(created / 1e6 - datetime.now().timestamp()) < 60


def test_the_newest_event_counts_as_fresh(empty: Arcade) -> None:
    empty.store().push(VIEW, [row("a", 5, 6, 1)])
    (status,) = empty.store().status([VIEW])
    assert status.ahead == status.online == 1
    assert status.freshness == pytest.approx((datetime.now() - at(5)).total_seconds(), abs=100)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sesions": 1}, r"has no column sesions \(did you mean 'sessions'\?\)"),
        ({"sessions": "many"}, "sessions is VARCHAR in the rows, but integer in the contract"),
        ({"player_id": None}, "1 of the rows lack a key or an event timestamp"),
        ({"event_timestamp": None}, "event_timestamp is .*; it must be a timestamp"),
        ({"event_timestamp": 5}, "event_timestamp is BIGINT; it must be a timestamp"),
        ({"play_minutes": float("nan")}, "play_minutes is NaN"),
    ],
)
def test_rows_that_do_not_suit(empty: Arcade, given: dict[str, Any], message: str) -> None:
    with pytest.raises(FsyncError, match=message):
        empty.store().push(VIEW, [{**row("a", 1, 1, 1), **given}])
    assert stored(empty) == {}


def test_what_is_no_table(empty: Arcade) -> None:
    with pytest.raises(FsyncError, match="the rows to push must be a table"):
        empty.store().push(VIEW, 5)
    with pytest.raises(FsyncError, match="have no column sessions"):
        empty.store().push(VIEW, [{"player_id": "a", "event_timestamp": at(1)}])


def test_a_view_that_is_not_there_or_is_defined_otherwise(arcade: Arcade) -> None:
    with pytest.raises(FsyncError, match="is not in Redis yet; run `fsync online`"):
        arcade.store().push(VIEW, [row("a", 1, 1, 1)])
    arcade.store().sync([VIEW], as_of=START)
    with arcade.node("player_activity.v2") as node:
        node["checksum"]["checksum"] = "another"
    with pytest.raises(FsyncError, match="defined otherwise in Redis"):
        arcade.store().push(VIEW, [row("a", 1, 1, 1)])


def test_every_type_is_pushed_as_a_sync_writes_it(arcade: Arcade) -> None:
    arcade.store().sync(["every_type"], as_of="2024-03-08")
    before = arcade.stored("every_type")["1"]
    given = {
        **{name: before[name] for name in ("small", "big", "single", "double", "flag", "label")},
        "item_id": 1,
        "event_timestamp": datetime(2024, 3, 9),
        "huge": 5,
        "exact": Decimal("12.50"),
        "born": datetime(2000, 2, 29).date(),
        "seen": datetime(2024, 3, 5, 1, 2, 3, 4),
        "seen_tz": datetime(2024, 3, 5, 1, 2, 3, 500000),
    }
    assert arcade.store().push("every_type", [given]).written == 1
    assert arcade.stored("every_type")["1"] == {**before, "huge": 5}


def test_a_stream_that_writes_all_through_full_syncs_loses_nothing(empty: Arcade) -> None:
    """Every pushed row is newer than the warehouse's, so each entity must end at its last push."""
    count, rounds = 3000, 12
    players = f"select 'p' || i, '{START}', '{START}', 0, 0 from range({count}) as t (i)"
    empty.execute(f"insert into player_activity_v2 {players}")
    empty.store().sync([VIEW], as_of=at(1))
    stop, failures, last = threading.Event(), [], dict.fromkeys((f"p{i}" for i in range(count)), 0)

    def stream() -> None:
        store, number = empty.store(), 0
        try:
            while not stop.is_set():
                number += 1
                players = [f"p{(number * 131 + i * 7) % count}" for i in range(40)]
                store.push(
                    VIEW, [row(player, 2 + number / 1000, 2 + number / 1000, number) for player in players]
                )
                last.update(dict.fromkeys(players, number))
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=stream)
    thread.start()
    for number in range(rounds):
        empty.store().sync([VIEW], as_of=at(100 + number), full_refresh=number % 3 != 2)
    stop.set()
    thread.join()
    assert failures == []
    assert stored(empty) == last
    assert max(last.values()) > rounds
