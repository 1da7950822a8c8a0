"""A log of events that can be read again from an instant on: a Kafka topic or a Redis Stream."""

from typing import NamedTuple, Protocol

from sync.errors import FsyncError
from sync.online.connect import redact

# Of one read.
MESSAGES = 20_000
FORMS = "kafka://host:9092 (several with commas) or redis://host:6379/0"


class Batch(NamedTuple):
    """Messages and when each came to the log, µs."""

    values: list[bytes]
    arrived: list[int]


class EventLog(Protocol):
    @property
    def caught_up(self) -> bool:
        """Whether all was read that stood there when it was opened."""

    def read(self, seconds: float) -> Batch:
        """What comes next, waiting so long for it. Raises LogUnavailable, and may then be called again."""

    def close(self) -> None: ...


class LogUnavailable(FsyncError):
    """The log cannot be read for the moment."""


def without_settings(url: str) -> str:
    """To be shown: a password may stand in the URL, or among its settings."""
    return redact(url.partition("?")[0])
