"""What the workers of one server tell each other: a file each, in a folder that ends with the server.

Counts of a worker that died stay in its file, so that a sum never falls.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from sync.serving.metrics import Metrics


class Workers:
    """`folder`: None for a server of one worker."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._own = f"{os.getpid()}.metrics"

    def tell(self, metrics: Metrics) -> None:
        if self._folder is None:
            return
        unfinished = self._folder / f"{self._own}.new"
        with suppress(OSError):
            unfinished.write_bytes(msgspec.msgpack.encode(metrics))
            unfinished.replace(self._folder / self._own)

    def sum(self, own: Metrics) -> Metrics:
        """Of this worker now, and of the others as they last told."""
        if self._folder is None:
            return own
        total = Metrics()
        total.add(own)
        for path in self._folder.glob("*.metrics"):
            if path.name != self._own:
                with suppress(OSError, msgspec.DecodeError):
                    total.add(msgspec.msgpack.decode(path.read_bytes(), type=Metrics))
        return total
