"""What a day costs: the next day's run of all feature views against the build of all history before it.

    python scripts/bench/incremental.py                # 20,000 events a day, 180 days and a year
    python scripts/bench/incremental.py --generate     # their events first, so that a later run only measures

The seconds are those that the models' statements took, as dbt logs them, one after another; dbt's own time is
left out.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = date(2026, 1, 1)


def generate(folder: Path, events: int, players: int, days: int) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "generate_events.py"), "--events", str(events)]
    command += ["--players", str(players), "--days", str(days), "--start", str(START), "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run(scratch: Path, events: Path, until: date) -> dict[str, float]:
    """Seconds of each model, with everything known by the start of a day."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    environment |= {
        "FSYNC_RAW_EVENTS": "export",
        "FSYNC_EVENTS_PATH": str(events / "*.parquet"),
        "FSYNC_DUCKDB_PATH": str(scratch / "incremental.duckdb"),
    }
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--quiet", "run"]
    command += ["--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")]
    command += ["--threads", "1", "--log-format-file", "json", "--log-level-file", "debug"]
    command += ["--vars", f"{{known_until: '{until} 00:00:00'}}"]
    command += ["--select", "+path:models/features", "--exclude", "player_profile"]
    log = scratch / "logs" / "dbt.log"
    log.unlink(missing_ok=True)
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    seconds: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if event["info"]["name"] == "SQLQueryStatus" and "node_info" in event["data"]:
            model = event["data"]["node_info"]["unique_id"].split(".", 2)[2]
            seconds[model] += event["data"]["elapsed"]
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events-per-day", type=int, default=20_000)
    parser.add_argument("--players", type=int, default=20_000)
    parser.add_argument("--days", type=int, nargs="+", default=[180, 365])
    parser.add_argument("--models", action="store_true", help="a line per model")
    parser.add_argument("--generate", action="store_true", help="only the events, which later runs use again")
    parser.add_argument("--scratch", type=Path, default=ROOT / "target" / "bench" / "incremental")
    options = parser.parse_args()
    scratch = options.scratch.resolve()
    if not options.generate:
        print(f"{'days':>6}{'events':>12}{'full, s':>10}{'a day, s':>10}{'ratio':>8}")
    for days in options.days:
        events = options.events_per_day * days
        raw = scratch / f"events_{events}_{options.players}_{days}"
        if not (raw / "_generated.json").exists():
            generate(raw, events, options.players, days)
        if options.generate:
            continue
        (scratch / "incremental.duckdb").unlink(missing_ok=True)
        # The last day's stragglers come on the days after it.
        full = run(scratch, raw, START + timedelta(days=days - 1))
        day = run(scratch, raw, START + timedelta(days=days))
        ratio = sum(day.values()) / sum(full.values())
        print(
            f"{days:6}{events:12,}{sum(full.values()):10.1f}{sum(day.values()):10.1f}{ratio:8.1%}", flush=True
        )
        if options.models:
            for model, seconds in full.items():
                print(f"  {model:32}{seconds:10.2f}{day[model]:10.2f}")


if __name__ == "__main__":
    main()
