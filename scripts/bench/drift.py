"""`fsync drift` of a view of 12 features, against reading its newest rows once, as a dry run of a sync does.

scripts/bench/drift.py [--entities 1000000] [--runs 3]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from memory import peak
from online import make_project

from sync import FeatureStore

THEN, NOW = "2026-01-01T20:00:00Z", "2026-01-03"


def timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        make_project(Path(scratch), arguments.entities)
        store = FeatureStore(scratch)
        reads, drifts = [], []
        for _ in range(arguments.runs):
            reads.append(timed(lambda: store.sync(dry_run=True, as_of=NOW)))
            drifts.append(timed(lambda: store.drift(baseline=THEN, as_of=NOW)))
        (found,) = store.drift(baseline=THEN, as_of=NOW)
    read, drift = median(reads), median(drifts)
    print(
        f"{found.rows[0]:,} and {found.rows[1]:,} entities, {len(found.features)} features: {drift:.2f} s, "
        f"{drift / read:.2f} of a dry run ({read:.2f} s), at most {peak():.2f} GB"
    )


if __name__ == "__main__":
    main()
