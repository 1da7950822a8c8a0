"""The point-in-time join against two forms written by hand for DuckDB, in one run.

    python scripts/bench/point_in_time.py             # 10M feature rows, 1M spine rows, 12 features
    python scripts/bench/point_in_time.py --growth    # a tenth of that, once and five times as much

Every measurement is a process of its own, which writes the training set to Parquet; the forms take turns, and
the figures are medians. `one pass` is an ASOF join on the struct (event, created) that carries the features;
`by row number` is an ASOF join on keys and event alone, with the features fetched afterwards. Neither of them
knows what was known when. DuckDB takes the memory it may have: `--memory 1GB` shows that less will do.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import duckdb
from compiled import ROOT, compile_project
from memory import peak

SKEWS = {
    "flat": "cast(floor({u} * {players}) as bigint)",
    # Ranks by the power 0.45: of 100,000 players the top one has 80 times the mean.
    "zipf": "cast(floor(power({u} * (power({players}, 0.55) - 1) + 1, 1 / 0.55)) as bigint) - 1",
    "one player with 2 %": "case when {u} < 0.02 then 0 else cast(floor({u} * {players}) as bigint) end",
}


def uniform(salt: int) -> str:
    return f"(hash(i * 4 + {salt}) / 18446744073709551616.0)"


def fill(path: Path, skew: str, rows: int, spine: int, players: int, views: str = "abc") -> None:
    path.unlink(missing_ok=True)
    instant = "1700000000000000 + (hash({}) % 15552000000000)::bigint"
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as warehouse:
        for number, view in enumerate(views):
            player = SKEWS[skew].format(u=uniform(number), players=players)
            features = ", ".join(
                f"(hash(i + {f + 20 * number}) % 1000)::double as {view}{f}" for f in range(12)
            )
            # One row in twenty came to be known up to three days late.
            warehouse.execute(f"""
                create table view_{view} as
                select
                    'p' || lpad(({player})::varchar, 7, '0') as player_id,
                    make_timestamp({instant.format(f"i + {number + 1}")}) as event_timestamp,
                    event_timestamp + to_microseconds(
                        case when hash(i + 9) % 20 = 0 then (hash(i + 8) % 259200000000)::bigint else 0 end
                    ) as created_timestamp,
                    {features}
                from range({rows}) as r(i)
            """)
        player = SKEWS[skew].format(u=uniform(3), players=players)
        warehouse.execute(f"""
            create table spine as
            select
                'p' || lpad(({player})::varchar, 7, '0') as player_id,
                make_timestamp({instant.format("i + 77")}) as event_timestamp,
                (hash(i) % 2)::integer as label
            from range({spine}) as r(i)
        """)


def queries(scratch: Path) -> dict[str, str]:
    macro, _ = compile_project(scratch)

    def ours(views: str, **options: object) -> str:
        features = [f"view_{view}:{view}{number}" for view in views for number in range(12)]
        return macro.call("fsync", "point_in_time_join", "spine", features, **options)

    year = "spine.event_timestamp - interval 365 days"
    within = ", ".join(
        f"case when f.event_timestamp >= {year} then f.a{number} end as a{number}" for number in range(12)
    )
    return {
        "by hand, one pass": f"""
            select spine.*, {within}
            from spine asof left join view_a as f
                on spine.player_id = f.player_id
                and row(spine.event_timestamp, timestamp 'infinity')
                    >= row(f.event_timestamp, f.created_timestamp)
        """,
        "by hand, by row number": f"""
            with found as (
                select spine.*, f.id
                from spine asof left join (select player_id, event_timestamp, rowid as id from view_a) as f
                    on spine.player_id = f.player_id and spine.event_timestamp >= f.event_timestamp
            )
            select spine.* exclude (id), {within}
            from found as spine left join view_a as f on f.rowid = spine.id
        """,
        "fsync, hindsight": ours("a", as_known_at=False),
        "fsync, as known": ours("a"),
        "fsync, as known, 3 views": ours("abc"),
    }


def measure(path: Path, sql: str) -> dict[str, float]:
    worker = [sys.executable, __file__, "--worker", str(path), *sys.argv[1:]]
    run = subprocess.run(worker, input=sql, text=True, capture_output=True, check=False)
    if run.returncode:
        sys.exit(run.stderr)
    return dict(json.loads(run.stdout))


def work(path: Path, memory: str | None) -> None:
    output = path.with_suffix(".parquet")
    sql = sys.stdin.read()
    with duckdb.connect(str(path), read_only=True) as warehouse:
        warehouse.execute("set preserve_insertion_order = false")
        if memory:
            warehouse.execute("set memory_limit = ?", [memory])
        start = time.perf_counter()
        warehouse.execute(f"copy ({sql}) to '{output}' (format parquet)")
        seconds = time.perf_counter() - start
    held = peak()
    total = duckdb.sql(f"select count(*), sum(a0 + 3 * a11) from '{output}'").fetchall()[0]
    print(json.dumps({"seconds": seconds, "peak": held, "rows": total[0], "sum": total[1]}))


def compare(scratch: Path, sql: dict[str, str], forms: list[str], runs: int) -> dict[str, dict[str, float]]:
    taken: dict[str, list[dict[str, float]]] = {form: [] for form in forms}
    for _ in range(runs):
        for form in forms:
            taken[form].append(measure(scratch / "bench.duckdb", sql[form]))
    for form in forms:
        # Without corrections of the same instant, all forms of hindsight find the same rows.
        if form.startswith("by hand") and "fsync, hindsight" in taken:
            assert taken[form][0]["sum"] == taken["fsync, hindsight"][0]["sum"], form
    return {
        form: {
            "seconds": statistics.median(run["seconds"] for run in found),
            "peak": max(run["peak"] for run in found),
        }
        for form, found in taken.items()
    }


def show(title: str, results: dict[str, dict[str, float]]) -> None:
    best = min(result["seconds"] for form, result in results.items() if form.startswith("by hand"))
    print(f"\n{title}\n{'':28}{'seconds':>9}{'ratio':>8}{'peak GB':>9}")
    for form, result in results.items():
        print(
            f"{form:28}{result['seconds']:9.2f}{result['seconds'] / best:8.2f}{result['peak']:9.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of each feature view")
    parser.add_argument("--spine", type=int, default=1_000_000, help="rows of the spine")
    parser.add_argument("--players", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="a tenth, once and five times as much")
    parser.add_argument("--memory", help="DuckDB's memory_limit, such as 2GB")
    parser.add_argument("--scratch", type=Path, default=ROOT / "target" / "bench")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.memory)
        return
    scratch = options.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    sql = queries(scratch)
    warehouse = scratch / "bench.duckdb"
    if options.growth:
        print(f"{'rows':>12}{'spine':>11}{'as known, s':>13}{'µs per row':>12}{'peak GB':>9}{'file GB':>9}")
        for times in (0.1, 1, 5):
            rows, spine = int(options.rows * times), int(options.spine * times)
            fill(warehouse, "zipf", rows, spine, options.players, views="a")
            found = compare(scratch, sql, ["fsync, as known"], options.runs)["fsync, as known"]
            size = warehouse.stat().st_size / 1e9
            each = found["seconds"] / rows * 1e6
            print(
                f"{rows:12,}{spine:11,}{found['seconds']:13.2f}{each:12.2f}{found['peak']:9.2f}{size:9.2f}",
                flush=True,
            )
        return
    for skew in SKEWS:
        fill(warehouse, skew, options.rows, options.spine, options.players)
        forms = [form for form in sql if skew == "flat" or "3 views" not in form]
        show(f"{skew}: {options.rows:,} x {options.spine:,}", compare(scratch, sql, forms, options.runs))


if __name__ == "__main__":
    main()
