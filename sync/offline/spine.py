"""What may be a spine: a table, a file, SQL or a model; and whether it has the columns that are needed."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from sync.errors import FsyncError, did_you_mean
from sync.frames import as_table
from sync.registry.manifest import RELATIONS
from sync.registry.references import parse_view
from sync.registry.types import TIMES, scalar_type
from sync.registry.views import FeatureView

FILES = (".parquet", ".pq", ".csv")
# Names that point_in_time_join gives to columns of its own.
RESERVED = frozenset(["_at", "_number", "_spine", "_fsync_row"])
_SQL = re.compile(r"\s*(--.*\n\s*)*(select|with|from|values|\()\s", re.IGNORECASE)


class Spine(NamedTuple):
    """`source` is what the warehouse reads: SQL to stand after `from`, a file or a table in memory."""

    kind: str
    source: "str | Path | pyarrow.Table"
    name: str = ""
    hint: str = ""

    @property
    def record(self) -> dict[str, str]:
        """What the training set says of its spine."""
        record = {"kind": self.kind} | ({"name": self.name} if self.name else {})
        if isinstance(self.source, Path):
            with self.source.open("rb") as file:
                record["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        return record

    def __str__(self) -> str:
        return f"spine {self.name}" if self.kind in ("file", "model") else "the spine"


def open_spine(given: Any, manifest: Mapping[str, Any]) -> Spine:
    if isinstance(given, Path):
        return _file(given)
    if isinstance(given, str):
        text = given.strip().rstrip(";")
        if _SQL.match(text):
            return Spine("sql", f"(\n{text}\n)", text)
        if text.lower().endswith(FILES) or "/" in text:
            return _file(Path(text))
        return _model(text, manifest)
    return Spine("arrow", as_table(given, "the spine"))


def _file(path: Path) -> Spine:
    path = path.expanduser()
    if path.suffix.lower() not in FILES:
        raise FsyncError(f"spine {path} is neither .parquet nor .csv")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise FsyncError(f"cannot read the spine {path}: {error.strerror}") from None
    return Spine("file", path.resolve(), path.name)


def _model(name: str, manifest: Mapping[str, Any]) -> Spine:
    reference = parse_view(name)
    nodes = [n for n in manifest["nodes"].values() if n["resource_type"] in RELATIONS]
    for node in nodes:
        wanted = reference.version or node.get("latest_version")
        if node["name"] == reference.view and (wanted is None or str(node.get("version")) == str(wanted)):
            if not node["relation_name"]:
                raise FsyncError(f"spine {name} is an ephemeral model; it needs to be a table or a view")
            return Spine(
                "model", node["relation_name"], name, hint=f"run `dbt build --select {node['name']}`"
            )
    raise FsyncError(
        f"spine '{name}' is no model of the project{did_you_mean(name, (n['name'] for n in nodes))}; "
        "it may also be a .parquet or .csv file, or a SELECT"
    )


def file_names(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                names = next(csv.reader(file), [])
        else:
            names = list(pyarrow.parquet.read_schema(path).names)
    except (OSError, UnicodeDecodeError, csv.Error, pyarrow.ArrowException) as error:
        raise FsyncError(f"cannot read the spine {path}: {str(error).partition(chr(10))[0]}") from None
    if not names:
        raise FsyncError(f"the spine {path} is empty; it needs at least a line of column names")
    return names


def check_names(spine: Spine, names: Sequence[str]) -> None:
    counts = Counter(name.lower() for name in names)
    for name in names:
        if counts[name.lower()] > 1:
            raise FsyncError(f"{spine} has two columns called {name} (case does not count)")
        if name.lower() in RESERVED:
            raise FsyncError(f"{spine} has a column {name}, a name that fsync uses itself; rename it")


def find_column(spine: Spine, names: Sequence[str], wanted: str, hint: str) -> str:
    for name in names:
        if name.lower() == wanted.lower():
            return name
    raise FsyncError(f"{spine} has no column {wanted}{did_you_mean(wanted, names)}; {hint}")


def check_spine(
    spine: Spine,
    columns: Mapping[str, str],
    views: Sequence[FeatureView],
    timestamp: str,
    features: Mapping[str, str],
    full_names: bool,
) -> None:
    """`columns`: name to type as the warehouse has it; `features`: columns to come, and what each is."""
    names = list(columns)
    for view in views:
        for key in view.join_keys:
            name = find_column(spine, names, key.name, f"it is a join key of {view.reference}")
            found = scalar_type(columns[name])
            if found != key.type:
                raise FsyncError(
                    f"{spine}: column {name} is {columns[name]}, but the join key of {view.reference} is "
                    f"{key.type}; cast it"
                )
    column = find_column(spine, names, timestamp, "name the spine's timestamp by --timestamp")
    if scalar_type(columns[column]) not in TIMES:
        raise FsyncError(f"{spine}: column {column} is {columns[column]}; it must be a timestamp or a date")
    taken = {name.lower(): name for name in names}
    for feature, reference in features.items():
        if feature.lower() in taken:
            advice = (
                "rename it" if full_names else "rename it, or call features view__feature by --full-names"
            )
            raise FsyncError(
                f"{spine} has a column {taken[feature.lower()]} already, as has {reference}; {advice}"
            )
