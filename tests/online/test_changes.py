"""A sync after the first writes what the warehouse came to know since, and what took effect since."""

from datetime import datetime

import pytest

from sync.online.run import SyncResult
from sync.online.write import ViewWriter
from sync.store import SyncError
from tests.conftest import Arcade

VIEW = "player_activity@2"


def load(arcade: Arcade, *rows: tuple[str, str, str, int]) -> None:
    for player, event, created, sessions in rows:
        arcade.execute(
            f"insert into player_activity_v2 values ('{player}', '{event}', '{created}', {sessions}, 0)"
        )


def sync(arcade: Arcade, as_of: str, **options: object) -> SyncResult:
    (result,) = arcade.store().sync([VIEW], as_of=as_of, **options)
    return result


def sessions(arcade: Arcade) -> dict[str, int]:
    return {key: row["sessions"] for key, row in arcade.stored(VIEW).items()}


@pytest.fixture
def synced(arcade: Arcade) -> Arcade:
    arcade.execute("delete from player_activity_v2")
    load(arcade, ("a", "2024-03-01", "2024-03-01", 1), ("b", "2024-03-02", "2024-03-02", 2))
    assert sync(arcade, "2024-03-03").full == "first sync"
    return arcade


def test_nothing_new_writes_nothing(synced: Arcade) -> None:
    before = synced.dump()
    result = sync(synced, "2024-03-04")
    assert (result.full, result.rows, result.written, result.entities) == (None, 0, 0, 2)
    after = synced.dump()
    meta = b"fsync:{arcade/player_activity@2}:meta"
    assert {k: v for k, v in after.items() if k != meta} == {k: v for k, v in before.items() if k != meta}
    assert after[meta][b"as_of"] > before[meta][b"as_of"]


def test_only_what_came_to_be_known_is_written(synced: Arcade) -> None:
    load(
        synced, ("b", "2024-03-03", "2024-03-03 01:00:00", 20), ("c", "2024-03-03", "2024-03-03 02:00:00", 3)
    )
    result = sync(synced, "2024-03-04")
    assert (result.full, result.rows, result.written) == (None, 2, 2)
    assert sessions(synced) == {"a": 1, "b": 20, "c": 3}


def test_a_late_row_and_a_correction_of_an_old_event(synced: Arcade) -> None:
    load(
        synced,
        ("a", "2024-02-20", "2024-03-03 05:00:00", 99),
        ("b", "2024-03-02", "2024-03-03 06:00:00", 22),
        ("late", "2024-02-25", "2024-03-03 07:00:00", 7),
    )
    result = sync(synced, "2024-03-04")
    assert (result.full, result.rows, result.written, result.kept) == (None, 3, 2, 1)
    assert sessions(synced) == {"a": 1, "b": 22, "late": 7}


def test_a_row_known_before_takes_effect_in_its_time(synced: Arcade) -> None:
    load(synced, ("a", "2024-03-10", "2024-03-03 05:00:00", 0))
    assert sync(synced, "2024-03-04").rows == 0
    assert sync(synced, "2024-03-09 23:59:59.999999").rows == 0
    assert sessions(synced)["a"] == 1
    result = sync(synced, "2024-03-10")
    assert (result.full, result.written) == (None, 1)
    assert sessions(synced)["a"] == 0


def test_rows_past_their_ttl_go_when_it_ends(synced: Arcade) -> None:
    assert sync(synced, "2024-03-31").removed == 0
    result = sync(synced, "2024-03-31 00:00:00.000001")
    assert (result.full, result.removed, result.entities) == (None, 1, 1)
    assert sessions(synced) == {"b": 2}
    load(synced, ("old", "2024-01-01", "2024-04-01", 5))
    assert sync(synced, "2024-04-02").removed == 1
    assert sessions(synced) == {}


def test_rows_loaded_behind_the_watermark_are_not_missed(synced: Arcade) -> None:
    load(synced, ("a", "2024-03-01 12:00:00", "2024-03-01 13:00:00", 11))
    result = sync(synced, "2024-03-04")
    assert result.full == "rows came in behind the watermark"
    assert sessions(synced)["a"] == 11
    assert sync(synced, "2024-03-05").full is None


def test_rows_replaced_behind_the_watermark_are_not_missed(synced: Arcade) -> None:
    for created, entities in (("2024-03-01 12:00:00", 2), ("2024-03-01 12:00:00.000001", 2)):
        synced.execute("delete from player_activity_v2 where player_id in ('a', 'c')")
        load(synced, ("c", "2024-03-01 12:00:00", created, 11))
        result = sync(synced, "2024-03-04")
        assert result.full == "rows behind the watermark were replaced"
        assert sessions(synced) == {"b": 2, "c": 11}
        assert result.entities == entities
    assert sync(synced, "2024-03-05").full is None


def test_an_entity_that_is_gone_from_the_warehouse_goes(synced: Arcade) -> None:
    load(synced, ("c", "2024-03-03", "2024-03-03 02:00:00", 3))
    synced.execute("delete from player_activity_v2 where player_id = 'b'")
    assert sync(synced, "2024-03-04").full is not None
    assert sessions(synced) == {"a": 1, "c": 3}


def test_a_table_that_keeps_one_row_an_entity_needs_no_full_sync(synced: Arcade) -> None:
    synced.execute(
        "update player_activity_v2 set event_timestamp = '2024-03-03', created_timestamp = '2024-03-03', "
        "sessions = 10 where player_id = 'a'"
    )
    load(synced, ("c", "2024-03-03", "2024-03-03", 3))
    result = sync(synced, "2024-03-04")
    assert (result.full, result.written) == (None, 2)
    assert sessions(synced) == {"a": 10, "b": 2, "c": 3}
    synced.execute(
        "update player_activity_v2 set event_timestamp = '2024-04-01', created_timestamp = '2024-04-01' "
        "where player_id = 'a'"
    )
    result = sync(synced, "2024-04-01 12:00:00")
    assert (result.full, result.written, result.removed) == (None, 1, 1), "b is past its ttl, and no reason"
    assert sessions(synced) == {"a": 10, "c": 3}


def test_a_history_that_lost_a_row_while_another_entity_got_one(synced: Arcade) -> None:
    load(synced, ("a", "2024-03-02 12:00:00", "2024-03-02 12:00:00", 12))
    assert sync(synced, "2024-03-03").full is None
    assert sessions(synced) == {"a": 12, "b": 2}
    synced.execute("delete from player_activity_v2 where sessions = 12")
    load(synced, ("b", "2024-03-03", "2024-03-03", 3))
    assert sync(synced, "2024-03-04").full == "rows are gone from the warehouse"
    assert sessions(synced) == {"a": 1, "b": 3}


def test_an_entity_that_is_gone_while_others_are_pushed(synced: Arcade) -> None:
    event, created = datetime(2024, 3, 3), datetime(2024, 3, 5)
    pushed = {"sessions": 9, "play_minutes": 0.0, "event_timestamp": event, "created_timestamp": created}
    synced.store().push(VIEW, [{"player_id": name, **pushed} for name in ("a", "c")])
    synced.execute("delete from player_activity_v2 where player_id = 'b'")
    load(synced, ("c", "2024-03-03", "2024-03-03 12:00:00", 3))
    assert sync(synced, "2024-03-04").full is not None
    assert sessions(synced) == {"a": 9, "c": 9}


def interrupted(arcade: Arcade, monkeypatch: pytest.MonkeyPatch, as_of: str) -> None:
    """A sync whose rows are in, and that gets no further."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ViewWriter, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sync(arcade, as_of)


def test_what_an_interrupted_sync_wrote_and_the_warehouse_lost(
    synced: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(synced, ("c", "2024-03-03", "2024-03-03 02:00:00", 3), ("d", "2024-03-03", "2024-03-03 03:00:00", 4))
    interrupted(synced, monkeypatch, "2024-03-04")
    assert sessions(synced) == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert sync(synced, "2024-03-04").full is None, "all of it is there still"
    load(synced, ("c", "2024-03-04", "2024-03-04 02:00:00", 33))
    interrupted(synced, monkeypatch, "2024-03-05")
    synced.execute("delete from player_activity_v2 where sessions = 33")
    assert sync(synced, "2024-03-05").full == "rows of a sync that was interrupted are gone"
    assert sessions(synced) == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert sync(synced, "2024-03-06").full is None


def test_since_sends_again_what_redis_lost(synced: Arcade) -> None:
    synced.client.hdel("fsync:{arcade/player_activity@2}:rows", "b")
    assert sync(synced, "2024-03-04").written == 0
    assert sync(synced, "2024-03-04", since="2024-03-01 12:00:00").written == 1
    assert sessions(synced) == {"a": 1, "b": 2}


def test_a_model_above_that_changed_means_all_rows(synced: Arcade) -> None:
    with synced.node("player_activity.v2") as node:
        node["depends_on"] = {"nodes": ["model.arcade.player_day"], "macros": []}
    assert sync(synced, "2024-03-04").full == "a model or macro above the view changed"
    with synced.node("player_day") as node:
        node["checksum"]["checksum"] = "another"
    assert sync(synced, "2024-03-05").full == "a model or macro above the view changed"
    assert sync(synced, "2024-03-06").full is None


def test_a_tie_among_changes_is_refused_before_anything_is_written(synced: Arcade) -> None:
    load(synced, ("c", "2024-03-03", "2024-03-03", 3), ("c", "2024-03-03", "2024-03-03", 4))
    before = synced.dump()
    with pytest.raises(SyncError, match="key 'c' has 2 different rows"):
        sync(synced, "2024-03-04")
    assert synced.dump() == before


def test_another_clock_ahead_of_ours_does_not_turn_time_back(synced: Arcade) -> None:
    (result,) = synced.store().sync([VIEW], as_of="2200-01-01")
    assert (result.removed, result.entities) == (2, 0)
    load(synced, ("a", "2024-03-01", "2024-03-02", 1))
    (result,) = synced.store().sync([VIEW])
    assert result.entities == 0
