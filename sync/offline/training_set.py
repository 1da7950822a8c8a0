"""A training set that was written to a file: of which features, and of which definition."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow

from sync.errors import FsyncError, did_you_mean
from sync.registry.views import Feature, FeatureView

AGE = "age in seconds"


class _View(msgspec.Struct):
    fingerprint: str


class _Options(msgspec.Struct):
    timestamp: str


class _Metadata(msgspec.Struct):
    """Of what `HistoricalFeatures.metadata` writes, what is read again."""

    columns: dict[str, str]
    views: dict[str, _View]
    options: _Options


class TrainingSet(NamedTuple):
    """`columns`: by feature, pinned to its version. `fingerprints`: by view. `timestamp`: the spine's."""

    path: Path
    columns: dict[str, str]
    fingerprints: dict[str, str]
    timestamp: str

    def features(self, view: FeatureView) -> list[Feature]:
        """Raises FsyncError for one that the view no longer has."""
        known = {feature.name: feature for feature in view.features}
        named = [text.partition(":")[2] for text in self.columns if text.startswith(f"{view.reference}:")]
        for name in named:
            if name not in known:
                raise FsyncError(
                    f"{self.path} holds {view.reference}:{name}, which the view no longer has"
                    + did_you_mean(name, known)
                )
        return [known[name] for name in named]


def read_training_set(path: Path) -> TrainingSet:
    """Raises FsyncError for a file that fsync did not write."""
    from pyarrow.parquet import read_schema

    if not path.exists():
        raise FsyncError(f"there is no file {path}")
    try:
        metadata = (read_schema(path).metadata or {}).get(b"fsync")
    except (OSError, pyarrow.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise FsyncError(f"cannot read {path}: {reason}") from None
    if metadata is None:
        raise FsyncError(
            f"{path} does not say which features it holds; files that `fsync historical` wrote do"
        )
    found = msgspec.json.decode(metadata, type=_Metadata)
    return TrainingSet(
        path,
        {text: column for column, text in found.columns.items() if not text.endswith(f": {AGE}")},
        {reference: view.fingerprint for reference, view in found.views.items()},
        found.options.timestamp,
    )
