"""`fsync`: thin commands over `sync.FeatureStore`. Loading it imports nothing heavy but typer."""

from sync.cli.app import app

__all__ = ["app"]
