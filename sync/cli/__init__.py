"""`fsync`: thin commands over `sync.FeatureStore`. Loading it imports nothing heavy but typer."""

import sys

from sync.cli.priority import step_back


def main() -> None:
    """The command, of this process' arguments."""
    # Redis and its readers come first where they share this machine, also while the commands are loaded.
    if sys.argv[1:2] == ["online"] and "--max-speed" not in sys.argv:
        step_back()
    from sync.cli.app import app

    app()
