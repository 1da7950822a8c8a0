"""Settings of a worker; they reach it in its environment, since workers are processes of their own."""

import os

import msgspec

VARIABLE = "FSYNC_SERVE_SETTINGS"


class Settings(msgspec.Struct, frozen=True):
    """`closed`: a token is needed even where there are none. Seconds, bytes, entities."""

    redis_url: str
    project: str
    closed: bool = False
    pii: bool = False
    access_log: bool = False
    timeout: float = 2.0
    max_body: int = 1 << 20
    max_entities: int = 1000
    workers_folder: str | None = None

    def to_environment(self) -> None:
        os.environ[VARIABLE] = msgspec.json.encode(self).decode()

    @classmethod
    def from_environment(cls) -> "Settings":
        return msgspec.json.decode(os.environ[VARIABLE], type=cls)
