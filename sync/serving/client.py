"""A client of `fsync serve` that answers what `FeatureStore.get_online_features` answers."""

import asyncio
import http.client
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sync.errors import FsyncError
from sync.instants import parse_instant, to_text
from sync.online.read import OnlineFeatures, several


class FeatureClient:
    """`FeatureClient("http://127.0.0.1:6566", token="fsync_…")`. Threads may share it."""

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 5.0) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FsyncError(f"'{url}' is not the URL of a server; write http://127.0.0.1:6566")
        self._host, self._port, self._timeout = parts.hostname, port, timeout
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._path = f"{parts.path.rstrip('/')}/online-features"
        self._where = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port else "")
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def __repr__(self) -> str:
        return f"FeatureClient({self._where!r})"

    def __enter__(self) -> "FeatureClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def get_online_features(
        self,
        entity_keys: Sequence[Any],
        feature_names: "str | Sequence[str]",
        timestamp: "str | datetime | None" = None,
    ) -> OnlineFeatures:
        """Of each entity the features of a view (`view`, `view@2`), of a service, or a list of references.

        A key is a value, a tuple of the join keys' values in their order, or a mapping by name. Statuses are
        judged as of `timestamp`, by default now.
        """
        instant = parse_instant(timestamp, where="timestamp")
        wanted = feature_names if isinstance(feature_names, str) else list(feature_names)
        body = msgspec.json.encode(
            {"features": wanted, "keys": several(entity_keys), "as_of": to_text(instant)}
        )
        status, answer = self._ask(body)
        if status != 200:
            raise FsyncError(f"{self._where}: {_error(answer) or f'answers with status {status}'}")
        return msgspec.json.decode(answer, type=OnlineFeatures)

    async def get_online_features_async(
        self,
        entity_keys: Sequence[Any],
        feature_names: "str | Sequence[str]",
        timestamp: "str | datetime | None" = None,
    ) -> OnlineFeatures:
        """The same from a coroutine: a thread waits, the loop goes on."""
        return await asyncio.to_thread(self.get_online_features, entity_keys, feature_names, timestamp)

    def _kept(self) -> http.client.HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        while True:
            kept = self._kept()
            connection = kept or self._kind(self._host, self._port, timeout=self._timeout)
            try:
                connection.request("POST", self._path, body, self._headers)
                response = connection.getresponse()
                answer = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # The server may have closed a connection that was kept: then another is tried.
                if kept and not isinstance(error, TimeoutError):
                    continue
                raise FsyncError(
                    f"cannot reach {self._where} ({error}); is `fsync serve` running there?"
                ) from None
            self._idle.append(connection)
            return answer


def _error(answer: bytes) -> str | None:
    try:
        return str(msgspec.json.decode(answer)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
