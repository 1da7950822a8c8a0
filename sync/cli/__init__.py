"""`fsync`: thin commands over `sync.FeatureStore`. Loading it imports typer and nothing else that is heavy."""

from sync.cli.app import app

__all__ = ["app"]
