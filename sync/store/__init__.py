"""The library behind every command."""

from sync.store.offline import Offline
from sync.store.online import Online, SyncError
from sync.store.tokens import Tokens

__all__ = ["FeatureStore", "SyncError"]


class FeatureStore(Offline, Online, Tokens):
    """The features of a dbt project, offline and online."""
