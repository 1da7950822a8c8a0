"""`trailing_windows` in both dialects against a recomputation from all tiles at every instant."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import FsyncError
from tests.properties import googlesql
from tests.properties.conftest import Shapes

START = datetime(2026, 3, 1)
DAY, HOUR, TICK = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)


@dataclass(frozen=True)
class Tile:
    player: str | None
    region: str | None
    start: datetime
    available: datetime
    created: datetime | None
    mode: str | None
    played: datetime | None
    plays: int | None
    score: int
    best: int | None


def tiles_of(length: timedelta) -> st.SearchStrategy[list[Tile]]:
    def tile(
        player: str | None, region: str | None, number: int, late: timedelta, played: int | None, *values: Any
    ) -> Tile:
        start = START + number * length
        known = start + length + late
        at = None if played is None else start + played * length / 4
        return Tile(player, region, start, known, known - TICK if late else None, values[0], at, *values[1:])

    return st.lists(
        st.builds(
            tile,
            # Many small histories at once, as the planning of a query takes longer than its work.
            st.sampled_from(["1", "1", "12", "3", "4", None]),
            st.sampled_from(["2", "2", "", None]),
            st.sampled_from([0, 0, 1, 1, 2, 3, 5, 9]),
            # Mostly on time; else late by less or more than a window, or up to its very end.
            st.sampled_from(
                [0 * DAY] * 4 + [TICK, length / 3, length, 2 * length - TICK, 2 * length, 4 * length]
            ),
            st.sampled_from([0, 1, 3, None]),
            st.sampled_from(["casual", "ranked", None]),
            st.one_of(st.none(), st.integers(-3, 9)),
            st.integers(-2, 9),
            st.one_of(st.none(), st.integers(-5, 5)),
        ),
        min_size=1,
        max_size=60,
    )


Live = Callable[[str | None], list[Tile]]


def added(values: list[int | None]) -> int:
    return sum(value or 0 for value in values)


def mean(tiles: list[Tile]) -> float | None:
    plays = added([tile.plays for tile in tiles])
    return float(added([tile.score for tile in tiles])) / plays if plays else None


def spread(tiles: list[Tile]) -> float | None:
    count, total = added([tile.plays for tile in tiles]), added([tile.score for tile in tiles])
    squares = added([tile.score**2 for tile in tiles])
    return (
        sqrt(max(0, float(count) * squares - float(total) * total) / count / (count - 1))
        if count > 1
        else None
    )


def casual(tiles: list[Tile]) -> list[Tile]:
    return [tile for tile in tiles if tile.mode == "casual"]


def best(choose: Callable[..., int | None], tiles: list[Tile]) -> int | None:
    return choose((tile.best for tile in tiles if tile.best is not None), default=None)


def picked(choose: Callable[..., Any], tiles: list[Tile], value: str, by: str) -> Any:
    found = [
        (getattr(tile, by), tile.available, getattr(tile, value))
        for tile in tiles
        if getattr(tile, by) is not None and getattr(tile, value) is not None
    ]
    return choose(found)[2] if found else None


def modes(tiles: list[Tile]) -> int:
    return len({tile.mode for tile in tiles} - {None})


@dataclass(frozen=True)
class Case:
    keys: int
    tile: timedelta
    windows: dict[str, timedelta]
    features: Callable[[Live], tuple[Any, ...]]


CASES = {
    "summed": Case(
        1,
        DAY,
        {"2d": 2 * DAY, "3d": 3 * DAY},
        lambda live: (
            added([tile.plays for tile in live("2d")]),
            added([tile.plays for tile in live("3d")]),
            added([tile.plays for tile in live(None)]),
            added([tile.plays for tile in casual(live("2d"))]),
            mean(live("3d")),
            spread(live("2d")),
            len({tile.start for tile in live("2d")}),
            len({tile.start for tile in live(None)}),
            len({tile.start for tile in casual(live("3d"))}),
        ),
    ),
    "picked": Case(
        2,
        DAY,
        {"2d": 2 * DAY, "3d": 3 * DAY},
        lambda live: (
            best(max, live("2d")),
            best(min, live("3d")),
            best(max, live(None)),
            best(max, casual(live("2d"))),
            picked(max, live("2d"), "mode", "played"),
            picked(min, live("2d"), "mode", "played"),
            picked(max, live("3d"), "best", "start"),
            picked(max, live(None), "mode", "played"),
            picked(min, live(None), "best", "start"),
            modes(live("2d")),
            modes(live(None)),
        ),
    ),
    "bounded": Case(
        1,
        DAY,
        {"2d": 2 * DAY, "3d": 3 * DAY},
        lambda live: (
            added([tile.plays for tile in live("2d")]),
            best(max, live("3d")),
            picked(min, live("2d"), "mode", "played"),
            len({tile.start for tile in live("2d")}),
            modes(live("3d")),
        ),
    ),
    "hourly": Case(
        1,
        HOUR,
        {"1h": HOUR, "3h": 3 * HOUR, "1d": DAY},
        lambda live: (
            added([tile.plays for tile in live("1h")]),
            best(max, live("3h")),
            picked(max, live("1d"), "mode", "played"),
            modes(live("3h")),
        ),
    ),
}


def recomputed(case: Case, tiles: list[Tile], until: datetime) -> list[tuple[Any, ...]]:
    def key(tile: Tile) -> tuple[str | None, ...]:
        return (tile.player, tile.region)[: case.keys]

    rows = []
    for owner in sorted({key(tile) for tile in tiles if None not in key(tile)}):
        owned = [tile for tile in tiles if key(tile) == owner and tile.available <= until]
        changed: dict[datetime, list[datetime]] = {}
        for tile in owned:
            leaves = [tile.start + case.tile + window for window in case.windows.values()]
            for instant in [tile.available, *(at for at in leaves if tile.available < at <= until)]:
                changed.setdefault(instant, []).extend([tile.created] if tile.created else [])
        for at in sorted(changed):

            def live(name: str | None, at: datetime = at, owned: list[Tile] = owned) -> list[Tile]:
                return [
                    tile
                    for tile in owned
                    if tile.available <= at
                    and (name is None or tile.start + case.tile > at - case.windows[name])
                ]

            rows.append((*owner, at, max(changed[at], default=None), *case.features(live)))
    return rows


def fill(warehouse: duckdb.DuckDBPyConnection, tiles: list[Tile]) -> None:
    warehouse.execute("""
        create or replace table tiles (
            player_id varchar, region varchar, tile_start timestamp, available_at timestamp,
            created_timestamp timestamp, mode varchar, played_at timestamp, plays bigint, score bigint,
            squares bigint, best bigint
        )
    """)
    rows = [
        (
            t.player,
            t.region,
            t.start,
            t.available,
            t.created,
            t.mode,
            t.played,
            t.plays,
            t.score,
            t.score**2,
            t.best,
        )
        for t in tiles
    ]
    values = ", ".join(["(" + ", ".join("?" * len(rows[0])) + ")"] * len(rows))
    warehouse.execute(f"insert into tiles values {values}", [part for row in rows for part in row])


def naive(warehouse: duckdb.DuckDBPyConnection, sql: str, until: datetime, into: str = "found") -> list[Any]:
    """The rows, which `into` has as well; BigQuery's timestamps have a zone, UTC."""
    warehouse.execute("create or replace table watermark as select ?::timestamp as until", [until])
    warehouse.execute(f"""
        create or replace table {into} as
        select * replace (
            event_timestamp::timestamp as event_timestamp, created_timestamp::timestamp as created_timestamp
        )
        from ({sql})
    """)
    return warehouse.execute(f"from {into} order by all").fetchall()


@pytest.mark.parametrize("name", CASES)
def test_equals_a_recomputation_at_every_instant(
    name: str, shapes: Shapes, warehouse: duckdb.DuckDBPyConnection
) -> None:
    case, whole, again = CASES[name], shapes.of(name), shapes.of(f"{name}_again")

    @settings(max_examples=25)
    @given(tiles_of(case.tile), st.integers(0, 12), st.sampled_from([0 * DAY, TICK, case.tile / 2]))
    def check(tiles: list[Tile], cut: int, more: timedelta) -> None:
        fill(warehouse, tiles)
        end, before = START + 14 * case.tile, START + cut * case.tile + more
        right = recomputed(case, tiles, end)
        for dialect in whole:
            assert naive(warehouse, whole[dialect], end) == right, dialect
            # As of an instant in between, and then an incremental run for the rest.
            kept = naive(warehouse, whole[dialect], before, into=f"{name}_again")
            assert kept == recomputed(case, tiles, before), dialect
            appended = naive(warehouse, again[dialect], end)
            assert sorted(kept + appended, key=repr) == sorted(right, key=repr), dialect

    check()


@pytest.mark.parametrize("name", [*CASES, *(f"{name}_again" for name in CASES)])
def test_bigquery_has_all_of_it(name: str, shapes: Shapes) -> None:
    assert googlesql.violations(shapes.bigquery[name]) == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, "one aggregate of sum, count"),
        ({"sum": "plays", "max": "best"}, "one aggregate of sum, count"),
        ({"sum": "plays", "windw": "7d"}, "'windw' is none of"),
        ({"avg": "score"}, "avg needs `per`"),
        ({"std": "score", "per": "plays"}, "std needs `per` and `squares`"),
        ({"sum": "plays", "window": "7w"}, "got '7w'"),
        ({"sum": "plays", "window": 7}, "got '7'"),
        ({"sum": "plays", "window": "90m"}, "got '90m'"),
        ({"sum": "plays", "window": "12h"}, "a window of 12h is shorter than its tiles, 1d"),
        ({"sum": "plays", "window": "0d"}, "a window of 0d is shorter"),
    ],
)
def test_a_wrong_feature_is_told_by_name(spec: dict[str, Any], told: str, shapes: Shapes) -> None:
    with pytest.raises(FsyncError, match=rf"trailing_windows: feature 'wrong': .*{told}"):
        shapes.macros.call("fsync", "_window_plan", {"wrong": spec}, "1d")
