"""Who may read which features over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sync.instants import now
from sync.registry.durations import parse_duration
from sync.store.opened import OpenedProject

if TYPE_CHECKING:
    from sync.online.tokens import Token, TokenStore


class Tokens(OpenedProject):
    def create_token(
        self, service: str, *, expires: str | None = None, pii: bool = False, rate: int | None = None
    ) -> "tuple[Token, str]":
        """A token that reads one feature service over HTTP, and its secret, which is stored nowhere."""
        from sync.online.tokens import REQUESTS_PER_SECOND

        instant = now()
        with self._token_store() as tokens:
            return tokens.create(service, instant, _after(instant, expires), pii, rate or REQUESTS_PER_SECOND)

    def tokens(self) -> "list[Token]":
        with self._token_store() as tokens:
            return tokens.all()

    def rotate_token(
        self, identity: str, *, grace: str = "1h", expires: str | None = None
    ) -> "tuple[Token, str]":
        """Another token with the same grants; the old one ends after the grace period."""
        instant = now()
        with self._token_store() as tokens:
            until = _after(instant, grace) or instant
            return tokens.rotate(identity, instant, until, _after(instant, expires))

    def revoke_token(self, identity: str) -> "Token":
        with self._token_store() as tokens:
            return tokens.revoke(identity, now())

    @contextmanager
    def _token_store(self) -> "Iterator[TokenStore]":
        from sync.online.connect import redis_failures
        from sync.online.tokens import TokenStore

        client = self._client
        with redis_failures(self.redis_url):
            yield TokenStore(client, self.project.name)


def _after(instant: int, duration: str | None) -> int | None:
    return None if duration is None else instant + parse_duration(duration, where="the duration")
