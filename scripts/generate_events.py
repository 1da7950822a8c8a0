"""Raw events of a game in the shape of the Firebase export: the same arguments, the same bytes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

MANIFEST = "_generated.json"
STATEMENTS = [
    Path(__file__).with_suffix("") / f"{name}.sql"
    for name in ("draws", "players", "sessions", "uploads", "export_rows")
]
EPOCH = date(1970, 1, 1)
DAY_US = 86_400_000_000

# What the SQL amounts to in the mean; a test holds the number of events against --events.
EVENTS_PER_SESSION = 9.36
DAYS_PER_LIFE = 240
PLAYED_DAYS_PER_LIFE = 86.3
# Each player's first session comes whatever --events says, and nobody plays more than 96 sessions a day.
FEWEST_PER_PLAYER_DAY = 2 * EVENTS_PER_SESSION / DAYS_PER_LIFE
MOST_PER_PLAYER_DAY = 10.0

NESTED_AS_TEXT = """
    * replace (
        without_nulls(event_params) as event_params,
        without_nulls(user_properties) as user_properties,
        without_nulls(device) as device,
        without_nulls(geo) as geo,
        without_nulls(app_info) as app_info,
        without_nulls(traffic_source) as traffic_source
    )
"""
# DuckDB's own temporary files would outlive a run that is cut short, unknown to the manifest.
CSV = "format csv, header, use_tmp_file false"
PARQUET = "format parquet, compression zstd, use_tmp_file false"
# No text in the records contains a quote, so a member that is null is found by its spelling.
WITHOUT_NULLS = """
    create macro without_nulls(record) as
    replace(regexp_replace(to_json(record)::varchar, '"[a-z_]+":null,?', '', 'g'), ',}', '}')
"""


class UsageError(Exception):
    pass


@dataclass(frozen=True)
class Game:
    events: int
    players: int
    days: int
    start: date
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("events", "players", "days"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} must be 1 or more, not {getattr(self, name)}")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed must lie between 0 and 2^63 - 1, not {self.seed}")
        if not date(2020, 1, 1) <= self.start <= date(2100, 1, 1) or self.days > 36_500:
            raise UsageError(
                f"the days must lie between 2020 and 2100, not {self.days} days from {self.start}"
            )
        if not FEWEST_PER_PLAYER_DAY <= self.per_player_day <= MOST_PER_PLAYER_DAY:
            raise UsageError(
                f"--events {self.events} makes {self.per_player_day:.3g} events per player and day; between "
                f"{FEWEST_PER_PLAYER_DAY:.2g} and {MOST_PER_PLAYER_DAY:g} are possible: between "
                f"{self._total(FEWEST_PER_PLAYER_DAY)} and {self._total(MOST_PER_PLAYER_DAY)} events here"
            )

    def _total(self, per_player_day: float) -> int:
        return round(per_player_day * self.players * self.days)

    @property
    def per_player_day(self) -> float:
        return self.events / (self.players * self.days)

    @property
    def end(self) -> date:
        return self.start + timedelta(days=self.days)

    @property
    def sessions_per_day(self) -> float:
        per_life = self.per_player_day * DAYS_PER_LIFE / EVENTS_PER_SESSION
        return (per_life - 1) / PLAYED_DAYS_PER_LIFE


class Warehouse:
    """An in-memory DuckDB that holds the game's players and sessions; events are made as they are written."""

    def __init__(self, game: Game, threads: int) -> None:
        self._variables = {
            "seed": game.seed,
            "players": game.players,
            "sessions_per_day": game.sessions_per_day,
            # A local day begins and ends hours before or after the UTC day, and sessions run on.
            "first_day": (game.start - EPOCH).days - 2,
            "end_day": (game.end - EPOCH).days,
            "start_us": micros(game.start),
            "end_us": micros(game.end),
        }
        self._connection = duckdb.connect()
        self._connection.execute("set TimeZone = 'UTC'")
        self._connection.execute(f"set threads = {threads}")
        self._set_variables(self._connection)
        for path in STATEMENTS:
            self._connection.execute(path.read_text(encoding="utf-8"))
        self._connection.execute(WITHOUT_NULLS)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._connection.cursor()
        self._set_variables(cursor)
        return cursor

    def _set_variables(self, connection: duckdb.DuckDBPyConnection) -> None:
        for name, value in self._variables.items():
            connection.execute(f"set variable {name} = {value!r}")


def micros(day: date) -> int:
    return (day - EPOCH).days * DAY_US


def copy(
    cursor: duckdb.DuckDBPyConnection, path: Path, since: date, until: date, options: str, columns: str = "*"
) -> int:
    """Writes what was uploaded from `since` to `until`, session by session; returns the number of rows."""
    target = str(path).replace("'", "''")
    rows = f"select {columns} from export_rows({micros(since)}, {micros(until)})"
    cursor.execute(f"copy ({rows}) to '{target}' ({options})")
    written = cursor.fetchone()
    return int(written[0]) if written else 0


def write_csv(game: Game, out: Path, threads: int) -> int:
    """One file."""
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder; --format csv writes one file")
    if out.exists() and not header(out).startswith("event_date,event_timestamp,"):
        raise UsageError(f"--out {out} exists and holds no events: remove it, or choose another name")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    try:
        rows = copy(
            Warehouse(game, threads).cursor(),
            part,
            game.start,
            game.end,
            CSV,
            NESTED_AS_TEXT,
        )
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return rows


def header(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(200)


def write_parquet(game: Game, out: Path, threads: int) -> int:
    """One file per day of upload, so that a longer run only adds files."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; --format parquet writes a folder of files")
    previous = written_before(out)
    out.mkdir(parents=True, exist_ok=True)
    days = [game.start + timedelta(days=day) for day in range(game.days)]
    parts = {day: out / f"events_{day:%Y%m%d}.parquet.part" for day in days}
    files = [part.with_suffix("") for part in parts.values()]
    # Before the first file is: whatever a run that was cut short has left, the next one knows to be its own.
    write_manifest(out, sorted({*previous, *files, *parts.values()}))

    warehouse = Warehouse(game, threads)
    rows = 0

    def write(day: date) -> int:
        with warehouse.cursor() as cursor:
            return copy(cursor, parts[day], day, day + timedelta(days=1), PARQUET)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for done, day in enumerate(as_completed([pool.submit(write, day) for day in days]), start=1):
                rows += day.result()
                progress(f"{done}/{len(days)} days, {rows:,} events")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for stale in previous:
        stale.unlink(missing_ok=True)
    for part, file in zip(parts.values(), files, strict=True):
        part.replace(file)
    write_manifest(out, files)
    return rows


def written_before(out: Path) -> list[Path]:
    """The files of an earlier run; anything else in the folder is somebody's and stops this one."""
    if not out.exists():
        return []
    manifest = out / MANIFEST
    try:
        names = json.loads(manifest.read_text(encoding="utf-8"))["files"] if manifest.exists() else []
        own = {out / Path(name).name for name in names}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{manifest} cannot be read ({error}): remove the folder or choose another --out"
        ) from error
    foreign = sorted(path.name for path in out.iterdir() if path not in own and path != manifest)
    if foreign:
        raise UsageError(
            f"--out {out} holds files that this script did not write ({', '.join(foreign[:3])}"
            f"{', ...' if len(foreign) > 3 else ''}): remove them or choose another folder"
        )
    return sorted(own)


def write_manifest(out: Path, files: Sequence[Path]) -> None:
    manifest = {"generator": "generate_events", "files": [file.name for file in files]}
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def progress(message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{message}\033[K", end="", file=sys.stderr, flush=True)


def parse_day(text: str) -> date:
    if text == "today":
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write YYYY-MM-DD or today") from None


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--events", type=int, default=200_000, help="about how many events in all (%(default)s)"
    )
    parser.add_argument("--players", type=int, default=2_000, help="about how many players (%(default)s)")
    parser.add_argument("--days", type=int, default=90, help="how many UTC days (%(default)s)")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--start", type=parse_day, metavar="DAY", help="first day, YYYY-MM-DD")
    when.add_argument(
        "--until",
        type=parse_day,
        metavar="DAY",
        help="ends where this day begins (today, if neither is given)",
    )
    parser.add_argument("--seed", type=int, default=7, help="another seed, another game (%(default)s)")
    parser.add_argument(
        "--out", type=Path, help="folder, or file for csv (target/raw/events, target/raw/events.csv)"
    )
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="(%(default)s)")
    return parser.parse_args(arguments)


def game_of(options: argparse.Namespace) -> Game:
    start = options.start
    if start is None:
        try:
            start = (options.until or parse_day("today")) - timedelta(days=max(options.days, 1))
        except OverflowError:
            raise UsageError(f"--days {options.days} reaches before the calendar") from None
    return Game(options.events, options.players, options.days, start, options.seed)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    out = options.out or Path("target/raw/events.csv" if options.format == "csv" else "target/raw/events")
    write = write_csv if options.format == "csv" else write_parquet
    began = time.monotonic()
    try:
        if options.threads < 1:
            raise UsageError(f"--threads must be 1 or more, not {options.threads}")
        game = game_of(options)
        rows = write(game, out, options.threads)
    except UsageError as error:
        print(f"generate_events: {error}", file=sys.stderr)
        return 2
    except (OSError, duckdb.IOException) as error:
        print(f"generate_events: cannot write to {out}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("generate_events: stopped; run it again to start over", file=sys.stderr)
        return 130
    except duckdb.OutOfMemoryException:
        print("generate_events: not enough memory: ask for fewer --players or --days", file=sys.stderr)
        return 1
    progress("")
    files = [out] if out.is_file() else list(out.glob("*.parquet"))
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    print(
        f"{rows:,} events from {game.start} until {game.end} in {time.monotonic() - began:.1f} s, "
        f"{megabytes:,.1f} MB in {out}",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
