"""Who asks: a consumer is a feature service with a token, or anyone where no tokens are needed."""

import time
from typing import NamedTuple

from sync.errors import FsyncError
from sync.instants import now
from sync.online.tokens import Token, find_token


class Refusal(FsyncError):
    """`reason` is a word for logs and metrics."""

    status = 403

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unauthorized(Refusal):
    status = 401


class TooOften(Refusal):
    status = 429


class Forbidden(Refusal):
    def __init__(self, message: str) -> None:
        super().__init__(message, "not_allowed")


class Consumer(NamedTuple):
    """`service` is None for whoever may read everything; `token` is the public id."""

    token: str
    service: str | None
    pii: bool


class Access:
    """`closed`: a token is needed even where the project has none."""

    def __init__(self, *, closed: bool, pii: bool) -> None:
        self._closed = closed
        self._anyone = Consumer("", None, pii)
        self._buckets: dict[str, tuple[float, float]] = {}

    def consumer(self, tokens: dict[str, Token], authorization: bytes | None) -> Consumer:
        if tokens:
            # From the first token on: that Redis is emptied opens nothing.
            self._closed = True
        if not self._closed:
            return self._anyone
        if authorization is None:
            raise Unauthorized("a token is needed: Authorization: Bearer fsync_…", "no_token")
        scheme, _, secret = authorization.decode("latin-1").partition(" ")
        token = find_token(tokens, secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise Unauthorized(
                "the token is not known; `fsync token create SERVICE` makes one", "unknown_token"
            )
        state = token.state(now())
        if state != "valid":
            raise Unauthorized(f"the token is {state}; ask for another", f"{state}_token")
        self._spend(token)
        return Consumer(token.id, token.service, token.pii)

    def _spend(self, token: Token) -> None:
        """A bucket that holds a second's requests and fills as the second passes; one per worker."""
        instant = time.monotonic()
        left, since = self._buckets.get(token.id, (float(token.rate), instant))
        left = min(float(token.rate), left + (instant - since) * token.rate)
        if left < 1:
            self._buckets[token.id] = (left, instant)
            raise TooOften(f"more than {token.rate} requests a second with this token; slow down", "rate")
        self._buckets[token.id] = (left - 1, instant)
