"""Runs models several times in one process, so that the project is parsed once."""

import json
import shutil
import sys
from pathlib import Path

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

options = json.loads(sys.argv[1])
folder = Path(options["folder"])
runner = dbtRunner(manifest=dbtRunner().invoke(["--quiet", "parse"]).result)

runs = [(cut, []) for cut in options["cuts"]] + [(options["cuts"][-1], ["--full-refresh"])]
for step, (cut, flags) in enumerate(runs):
    arguments = [
        "--quiet",
        "run",
        "--select",
        *options["selection"],
        "--vars",
        f"{{known_until: '{cut}'}}",
        *flags,
    ]
    outcome = runner.invoke(arguments)
    if not outcome.success:
        sys.exit(str(outcome.exception or [result.message for result in outcome.result]))
    DuckDBConnectionManager.close_all_connections()
    shutil.copy(folder / "fsync.duckdb", folder / f"{step}.duckdb")
