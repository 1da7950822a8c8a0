"""What windows over tiles cost and how far they are from the exact ones, in one run.

    python scripts/bench/windows.py                    # 10M events of 100,000 players, 1M spine rows

Spine rows are asked at random instants, and a minute after an event of the player's, the hardest case for
tiles: what happened since the last full tile is missing. Distinct counts are compared with DuckDB's own
approx_count_distinct over a frame of time, which knows of no expiry and no late row.
"""

import argparse
import time
from pathlib import Path

import duckdb
from compiled import ROOT, compile_project

START = 1700006400000000
TILES = ("daily", "hourly")
SPINES = {
    "at random instants": f"make_timestamp({START} + (hash(event_timestamp) % 15552000000000)::bigint)",
    "a minute after an event": "event_timestamp + interval 1 minute",
}
FEATURES = ("plays_1d", "plays_7d", "plays_30d")
APPROXIMATE = """
    select *, approx_count_distinct(item) over (
        partition by player_id order by tile_start range between interval 6 days preceding and current row
    ) as items_7d
    from item_tiles
"""


def fill(warehouse: duckdb.DuckDBPyConnection, events: int, players: int) -> None:
    rank = f"floor(power(u * (power({players}, 0.55) - 1) + 1, 1 / 0.55))::bigint - 1"
    warehouse.execute(f"""
        create table events as
        select
            'p' || lpad(({rank})::varchar, 7, '0') as player_id,
            make_timestamp({START} + (hash(i + 1) % 15552000000000)::bigint) as event_timestamp,
            event_timestamp + to_seconds((hash(i + 2) % 120)::integer) as created_timestamp,
            'i' || (hash(i + 3) % 50)::varchar as item,
            1::bigint as plays
        from (select i, hash(i * 4) / 18446744073709551616.0 as u from range({events}) as r(i))
    """)
    for table, unit, length in (("tiles", "day", "1 day"), ("hourly_tiles", "hour", "1 hour")):
        warehouse.execute(f"""
            create table {table} as
            select
                player_id,
                date_trunc('{unit}', event_timestamp)::timestamp as tile_start,
                greatest(tile_start + interval {length}, date_trunc('{unit}', created_timestamp))
                    as available_at,
                max(created_timestamp) as created_timestamp,
                sum(plays)::bigint as plays
            from events
            group by all
        """)
    warehouse.execute("""
        create table item_tiles as
        select
            player_id, item, date_trunc('day', event_timestamp)::timestamp as tile_start,
            tile_start + interval 1 day as available_at, max(created_timestamp) as created_timestamp
        from events
        group by all
    """)


def ask(warehouse: duckdb.DuckDBPyConnection, at: str, spine: int) -> None:
    warehouse.execute(f"""
        create or replace table spine as
        select player_id, {at} as event_timestamp
        from events using sample {spine} rows (reservoir, 7)
    """)


def timed(warehouse: duckdb.DuckDBPyConnection, table: str, sql: str) -> float:
    start = time.perf_counter()
    warehouse.execute(f"create or replace table {table} as {sql}")
    return time.perf_counter() - start


def differences(warehouse: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """Share of rows that differ, and the sum of what they are off over the sum of what is right."""
    shares = ", ".join(
        f"avg(({name}.{f} is distinct from exact.{f})::int), "
        f"sum(abs({name}.{f} - exact.{f})) / sum(exact.{f})"
        for f in FEATURES
    )
    # Rows of one player at one instant are alike.
    found = warehouse.sql(f"""
        select {shares}
        from (select distinct * from {name}) as {name}
        inner join (select distinct * from exact) as exact using (player_id, event_timestamp)
    """).fetchall()[0]
    return [f"{wrong:.1%} by {off:.2%}" for wrong, off in zip(found[::2], found[1::2], strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--spine", type=int, default=1_000_000)
    parser.add_argument("--players", type=int, default=100_000)
    parser.add_argument("--scratch", type=Path, default=ROOT / "target" / "bench")
    options = parser.parse_args()
    scratch = options.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    macro, models = compile_project(scratch)
    path = scratch / "windows.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as warehouse:
        fill(warehouse, options.events, options.players)
        views = {name: timed(warehouse, f"windows_{name}", models[f"windows_{name}"]) for name in TILES}
        for title, at in SPINES.items():
            ask(warehouse, at, options.spine)
            exact = timed(warehouse, "exact", models["windows_exact"])
            print(f"\n{title:24}{'windows, s':>11}{'join, s':>9}", *(f"{name:>17}" for name in FEATURES))
            print(f"{'exact':24}{exact:20.2f}")
            for name in TILES:
                references = [f"windows_{name}:{feature}" for feature in FEATURES]
                join = timed(warehouse, name, macro.call("fsync", "point_in_time_join", "spine", references))
                cells = " ".join(f"{cell:>17}" for cell in differences(warehouse, name))
                print(f"{name + ' tiles':24}{views[name]:11.2f}{join:9.2f} {cells}", flush=True)
        distinct = timed(warehouse, "distinct_items", models["windows_distinct"])
        approximate = timed(warehouse, "approximate_items", APPROXIMATE)
        tiles = warehouse.sql("select count(*) from item_tiles").fetchall()[0][0]
        print(f"\ndistinct items of 7 days, {tiles:,} tiles")
        print(f"exact, with expiry {distinct:6.2f} s; approx_count_distinct in a frame {approximate:6.2f} s")


if __name__ == "__main__":
    main()
