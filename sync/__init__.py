"""A feature store you write in SQL: dbt models in, Redis features out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sync.errors import FsyncError
    from sync.serving.client import FeatureClient
    from sync.store import FeatureStore

__all__ = ["FeatureClient", "FeatureStore", "FsyncError"]

_EXPORTS = {
    "FeatureClient": "sync.serving.client",
    "FeatureStore": "sync.store",
    "FsyncError": "sync.errors",
}


def __getattr__(name: str) -> Any:
    # Lazy, because `fsync --help` imports this package too.
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
