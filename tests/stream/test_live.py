"""A view over the last events of a log, against all of them at once, and what is refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import FeatureStore, FsyncError
from sync.instants import from_datetime
from sync.stream.live import LiveView
from sync.stream.log import Batch
from sync.stream.models import live_view

START = datetime(2024, 3, 1)
CENTS = {"sword": 300, "hat": 50, "unknown": None}
AS_OF = from_datetime(START + timedelta(days=9))


@contextmanager
def live(folder: Path, view: str = "spend", source: str | None = None) -> Iterator[LiveView]:
    store = FeatureStore(folder)
    with live_view(store.project, store.target, store.registry.views[view], source) as found:
        yield found


def batch(*messages: Any, arrived: int = 0) -> Batch:
    values = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
    return Batch(values, [arrived] * len(values))


def order(
    number: int, player: str = "p1", item: str = "sword", hour: int = 0, late: int = 0
) -> dict[str, Any]:
    at = START + timedelta(hours=hour)
    return {
        "id": number,
        "player": {"id": player, "name": "somebody"},
        "item": item,
        "bought": at.isoformat(),
        "loaded_at": (at + timedelta(minutes=late)).isoformat(),
    }


ORDERS = st.lists(
    # An order is of one player, however often it comes.
    st.builds(
        lambda number, *rest: order(number, f"p{number % 3}", *rest),
        st.integers(0, 8),
        st.sampled_from(sorted(CENTS)),
        st.integers(0, 6),
        st.integers(0, 300),
    ),
    max_size=14,
    unique_by=(
        lambda one: (one["player"]["id"], one["loaded_at"]),
        lambda one: (one["id"], one["loaded_at"]),
    ),
)


def expected(orders: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """By hand: of each player event, created, spent, orders, after the last order that came."""
    first: dict[int, dict[str, Any]] = {}
    for one in sorted(orders, key=lambda one: one["loaded_at"]):
        first.setdefault(one["id"], one)
    found: dict[str, tuple[Any, ...]] = {}
    for player in {one["player"]["id"] for one in first.values()}:
        own = sorted((o for o in first.values() if o["player"]["id"] == player), key=lambda o: o["loaded_at"])
        cents = [CENTS[o["item"]] for o in own if CENTS[o["item"]] is not None]
        newest = max(datetime.fromisoformat(o["bought"]) for o in own)
        spent = sum(filter(None, cents)) / 100 if cents else None
        found[player] = (newest, datetime.fromisoformat(own[-1]["loaded_at"]), spent, len(own))
    return found


def test_whatever_comes_in_parts_ends_as_all_at_once(built: Path) -> None:
    with duckdb.connect(str(built / "target" / "shop.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from orders").fetchall() == [(0,)]

    @settings(max_examples=40)
    @given(ORDERS, st.sets(st.integers(1, 13), max_size=4))
    def check(orders: list[dict[str, Any]], cuts: set[int]) -> None:
        with live(built) as view:
            told: dict[str, tuple[Any, ...]] = {}
            seen: list[dict[str, Any]] = []
            for start, end in pairwise([0, *sorted(cuts), 14]):
                seen += orders[start:end]
                view.add(batch(*orders[start:end]))
                before = dict(told)
                for row in view.changed(AS_OF).to_pylist():
                    told[row["player_id"]] = (
                        row["event_timestamp"],
                        row["created_timestamp"],
                        row["spent"],
                        row["orders"],
                    )
                    # What did not change is not told again.
                    assert told[row["player_id"]] != before.get(row["player_id"])
                view.pushed()
                assert told == expected(seen)

    check()


def test_what_is_not_pushed_is_told_again(built: Path) -> None:
    with live(built) as view:
        view.add(batch(order(1)))
        assert view.changed(AS_OF).num_rows == view.changed(AS_OF).num_rows == 1
        view.pushed()
        assert view.changed(AS_OF).num_rows == 0


def test_a_message_that_is_no_row_of_the_source_is_refused_with_a_reason(built: Path) -> None:
    good, other = order(1), order(2, hour=1) | {"new_in_the_game": [1], "player": {"id": "p1", "level": 3}}
    for bad, fault in (
        (b"{", "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[1]", "it is no JSON object"),
        (b"null", "it is no JSON object"),
        (order(3) | {"id": "three"}, "its id does not suit the source"),
        (order(3) | {"loaded_at": "soon"}, "its loaded_at does not suit the source"),
        (order(3) | {"player": "p1"}, "its player does not suit the source"),
    ):
        with live(built) as view:
            added = view.add(batch(good, bad, other))
            assert (added.events, added.refused, added.fault) == (2, 1, fault)
            (row,) = view.changed(AS_OF).to_pylist()
            assert row["orders"] == 2


def test_old_events_are_forgotten(built: Path) -> None:
    with live(built) as view:
        view.add(batch(order(1), arrived=1_000))
        view.add(batch(order(2, hour=1), arrived=2_000))
        assert view.forget(1_000) == 2
        assert view.forget(1_001) == 1
        (row,) = view.changed(AS_OF).to_pylist()
        assert row["orders"] == 1


def test_tables_beside_the_stream_are_those_of_the_warehouse(built: Path) -> None:
    with live(built, "of_two", "game.orders") as view:
        view.add(batch(order(1), order(2, player="p2")))
        rows = view.changed(AS_OF).to_pylist()
        assert {row["player_id"]: row["pages"] for row in rows} == {"p1": 7, "p2": None}


@pytest.mark.parametrize(
    ("view", "source", "words"),
    [
        ("of_two", None, "of_two rests on the sources game.orders, game.visits; say by --source which"),
        ("of_two", "game.order", "does not rest on a source 'game.order' (did you mean 'game.orders'?)"),
        ("of_none", None, "of_none rests on no source"),
        (
            "asking",
            None,
            "model asks (models/asks.sql) cannot be run over a stream: its SQL cannot be rendered",
        ),
        (
            "kept",
            None,
            "model orders_history (snapshots/orders_history.yml) cannot be run over a stream: it is a sn",
        ),
    ],
)
def test_what_cannot_be_streamed(built: Path, view: str, source: str | None, words: str) -> None:
    with pytest.raises(FsyncError) as caught, live(built, view, source):
        pass
    assert words in str(caught.value)


def test_another_warehouse_or_one_without_the_source(shop: Path) -> None:
    store = FeatureStore(shop, target="bigquery")
    view = store.registry.views["spend"]
    with pytest.raises(FsyncError, match="a stream runs the models in DuckDB"):
        live_view(store.project, store.target, view, None).__enter__()
    with duckdb.connect(str(shop / "target" / "shop.duckdb")) as connection:
        connection.execute("drop view stg_orders; drop table orders")
    with pytest.raises(FsyncError, match="the columns of the source are unknown"):
        live(shop).__enter__()
