"""Training sets: the features of each spine row as they were known at its own instant."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow

from sync.errors import FsyncError, did_you_mean
from sync.instants import to_text
from sync.offline.parquet import check_output, write_parquet
from sync.offline.spine import Spine, check_names, check_spine, file_names, find_column, open_spine
from sync.offline.training_set import AGE
from sync.offline.watch import Watch
from sync.project import Project, Target
from sync.registry.calls import MacroCalls
from sync.registry.manifest import ManifestFile
from sync.registry.references import FeatureReference, parse_feature
from sync.registry.registry import Registry, check_feature
from sync.registry.views import FeatureView
from sync.warehouse.latest import view_columns
from sync.warehouse.open import open_warehouse
from sync.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from sync.changes.state import State

NUMBER, SPINE = "_fsync_row", "_fsync_spine"


class Options(NamedTuple):
    timestamp: str = "event_timestamp"
    hindsight: bool = False
    as_known_at: int | None = None
    ages: bool = False
    full_names: bool = False
    defaults: bool = True


class HistoricalFeatures:
    """A training set, checked when made and computed when asked for.

    Its rows are the spine's, in the spine's order, duplicates and NULL keys included; a model's order is the
    table's.
    """

    def __init__(
        self,
        project: Project,
        target: Target,
        registry: Registry,
        entity_df: Any,
        features: "str | Sequence[str]",
        options: Options,
    ) -> None:
        self._project, self._target, self._options = project, target, options
        self._manifest = ManifestFile(project.target_path / "manifest.json")
        self._manifest.check_target(target)
        self._macros = MacroCalls(self._manifest, target.settings["type"])
        self.service, self.references = _resolve(registry, features)
        self._views = {str(r.view): registry.view(r.view) for r in self.references}
        self._spine = open_spine(entity_df, self._manifest.tree)
        # What the last computation found remarkable about the spine.
        self.warnings: list[str] = []
        self._types, self._join = self._check()

    @property
    def columns(self) -> dict[str, str]:
        """The columns that the spine gains, and the feature each holds, pinned to its version."""
        columns: dict[str, str] = {}
        for name, view in self._views.items():
            prefix = self._macros.text("fsync", "_view_prefix", name)
            for reference in self.references:
                if str(reference.view) == name:
                    column = (
                        f"{prefix}__{reference.feature}" if self._options.full_names else reference.feature
                    )
                    pinned = f"{view.reference}:{reference.feature}"
                    if column in columns:
                        raise FsyncError(
                            f"{columns[column]} and {pinned} are both called {column}; "
                            "--full-names calls them view__feature"
                        )
                    columns[column] = pinned
            if self._options.ages:
                columns[f"{prefix}__age"] = f"{view.reference}: {AGE}"
        return columns

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What is needed to make it again. No clock and no path: the same inputs give the same bytes."""
        from importlib.metadata import version

        options, state = self._options, self._state()
        return {
            "fsync": version("fsync"),
            "project": self._project.name,
            "service": self.service,
            "columns": self.columns,
            "views": {
                view.reference: {
                    "definition": self._definition(view),
                    "checksum": view.checksum,
                    "fingerprint": view.fingerprint,
                    "state": None if state is None else self._of_view(state, view),
                }
                for view in self._views.values()
            },
            "spine": self._spine.record,
            "options": options._asdict()
            | {"as_known_at": None if options.as_known_at is None else to_text(options.as_known_at)},
        }

    def _definition(self, view: FeatureView) -> str:
        """Covers the source of the view, of every model upstream and of the macros that these use."""
        return self._macros.digest("fsync", "_definition", self._manifest.tree["nodes"][view.model])

    def _state(self) -> "State | None":
        """None where the project's SQL and YAML do not fit together, as `fsync plan` says then."""
        from sync.changes.current import current_state

        try:
            return current_state(self._project, self._target, self._manifest)
        except FsyncError:
            return None

    def _of_view(self, state: "State", view: FeatureView) -> dict[str, Any]:
        """What `fsync plan` compares, of the features asked for."""
        asked = {r.feature for r in self.references if self._views[str(r.view)] is view}
        found = state.views[view.reference]
        features = {name: feature for name, feature in found.features.items() if name in asked}
        told = msgspec.json.encode(msgspec.structs.replace(found, features=features))
        return msgspec.json.decode(told, type=dict[str, Any])

    def scanned(self) -> int | None:
        """Bytes that computing it would be billed for; None where none are billed."""
        with self._query() as (warehouse, sql):
            return warehouse.scanned(sql)

    def to_arrow(self) -> pyarrow.Table:
        return self._table

    def to_pandas(self) -> Any:
        try:
            return self._table.to_pandas()
        except ModuleNotFoundError:
            raise FsyncError("to_pandas needs pandas; run `pip install pandas`") from None

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    def write_parquet(self, path: "str | Path", *, force: bool = False) -> int:
        """Writes the file whole or not at all, in bounded memory; the number of its rows."""
        path = Path(path).expanduser()
        check_output(path, force)
        with self._batches() as (schema, batches):
            return write_parquet(path, schema, batches)

    @cached_property
    def _table(self) -> pyarrow.Table:
        with self._batches() as (schema, batches):
            return pyarrow.Table.from_batches(batches, schema)

    @contextmanager
    def _batches(self) -> "Iterator[tuple[pyarrow.Schema, Iterator[pyarrow.RecordBatch]]]":
        with self._query() as (warehouse, sql), warehouse.arrow(sql) as reader:
            position = reader.schema.get_field_index(NUMBER)
            metadata = {b"fsync": msgspec.json.encode(self.metadata)}
            schema = reader.schema.remove(position).with_metadata(metadata)
            watch = Watch(self._options.timestamp)
            yield schema, (watch.see(batch.drop_columns([NUMBER])) for batch in _read(reader))
            self.warnings = watch.warnings(self._options.as_known_at)

    def _check(self) -> tuple[dict[str, str], str]:
        """The types of what the spine must have, and the join's SQL over a spine called SPINE."""
        spine, options, views = self._spine, self._options, list(self._views.values())
        with open_warehouse(self._project, self._target) as warehouse:
            names = _names(spine, warehouse)
            check_names(spine, names)
            types = _types(spine, names, views, options.timestamp, warehouse)
            with warehouse.numbered(spine.source, NUMBER, types) as rows:
                schema = dict(warehouse.schema(f"select * from {rows}"))
            del schema[NUMBER]
            check_spine(spine, schema, views, options.timestamp, self.columns, options.full_names)
            timestamp = find_column(spine, names, options.timestamp, "")
            return types, self._compile(warehouse.quote(timestamp))

    @contextmanager
    def _query(self) -> "Iterator[tuple[Warehouse, str]]":
        with (
            open_warehouse(self._project, self._target) as warehouse,
            warehouse.numbered(self._spine.source, NUMBER, self._types) as rows,
        ):
            spine = f"with {SPINE} as (select * from {rows})"
            yield warehouse, f"{spine}\nselect * from (\n{self._join}\n) as joined order by {NUMBER}"

    def _compile(self, timestamp: str) -> str:
        options = self._options
        # Without the rows' own name in it, the text serves every spine.
        return self._macros.text(
            "fsync",
            "point_in_time_join",
            SPINE,
            [str(reference) for reference in self.references],
            timestamp=timestamp,
            as_known_at=not options.hindsight,
            full_names=options.full_names,
            known_until=None if options.as_known_at is None else to_text(options.as_known_at),
            ages=options.ages,
            defaults=options.defaults,
        )


def _read(reader: pyarrow.RecordBatchReader) -> Iterator[pyarrow.RecordBatch]:
    try:
        yield from reader
    except (pyarrow.ArrowException, OSError) as error:
        # A query that fails on its way does so through Arrow's stream.
        raise FsyncError(f"the warehouse stopped: {str(error).partition(chr(10))[0]}") from None


def _names(spine: Spine, warehouse: Warehouse) -> list[str]:
    """The column names as the spine has them: a warehouse renames one that stands twice."""
    if isinstance(spine.source, Path):
        return file_names(spine.source)
    if isinstance(spine.source, pyarrow.Table):
        return list(spine.source.column_names)
    sql = spine.source if spine.kind == "sql" else f"select * from {spine.source}"
    try:
        return [name for name, _ in warehouse.schema(sql)]
    except FsyncError as error:
        raise FsyncError(f"{spine}: {error}" + (f"; {spine.hint}" if spine.hint else "")) from None


def _types(
    spine: Spine, names: Sequence[str], views: Sequence[FeatureView], timestamp: str, warehouse: Warehouse
) -> dict[str, str]:
    types: dict[str, str] = {}
    for view in views:
        columns = view_columns(view, warehouse)
        for key in view.join_keys:
            name = find_column(spine, names, key.name, f"it is a join key of {view.reference}")
            types.setdefault(name, columns[key.name])
    column = find_column(spine, names, timestamp, "name the spine's timestamp by --timestamp")
    return {**types, column: "TIMESTAMP WITH TIME ZONE"}


def _resolve(
    registry: Registry, features: "str | Sequence[str]"
) -> tuple[str | None, list[FeatureReference]]:
    if isinstance(features, str):
        service = registry.services.get(features)
        if service is None:
            raise FsyncError(
                f"unknown feature service '{features}'{did_you_mean(features, registry.services)}"
            )
        return service.name, [parse_feature(text) for text in service.features]
    if not features:
        raise FsyncError("no features are asked for; name some, view:feature, or a feature service")
    references = []
    for text in features:
        check_feature(registry, text)
        if (reference := parse_feature(text)) in references:
            raise FsyncError(f"{reference} is asked for twice")
        references.append(reference)
    return None, references
