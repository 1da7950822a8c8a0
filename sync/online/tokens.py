"""Tokens of consumers: a hash in Redis, id -> what the token may read. The secret is stored nowhere."""

import hmac
import secrets
from hashlib import sha256
from typing import Any

import msgspec

from sync.errors import FsyncError, did_you_mean
from sync.online.layout import services_key, tokens_key

# Of a second that a consumer may ask; its own setting comes first.
REQUESTS_PER_SECOND = 1000


class Token(msgspec.Struct, frozen=True):
    """`service`: whose features it reads. Instants are µs; `expires` and `revoked` are None when not set."""

    id: str
    service: str
    digest: str
    created: int
    expires: int | None = None
    revoked: int | None = None
    pii: bool = False
    rate: int = REQUESTS_PER_SECOND

    def state(self, instant: int) -> str:
        if self.revoked is not None and self.revoked <= instant:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= instant else "valid"


def unpack_token(stored: bytes) -> Token:
    try:
        return msgspec.json.decode(stored, type=Token)
    except msgspec.DecodeError:
        raise FsyncError("a token in Redis is damaged; revoke it and create another") from None


def digest_of(secret: str) -> str:
    # Plain sha256 is enough: the secret is 256 random bits, so there is nothing to guess.
    return sha256(secret.encode()).hexdigest()


def find_token(tokens: "dict[str, Token]", secret: str) -> Token | None:
    """The token of this secret. The id in it is public, what follows is compared in constant time."""
    prefix, _, rest = secret.partition("_")
    identity, _, _ = rest.partition("_")
    token = tokens.get(identity) if prefix == "fsync" else None
    stored = token.digest if token else "0" * 64
    return token if hmac.compare_digest(stored, digest_of(secret)) else None


class TokenStore:
    def __init__(self, client: Any, project: str) -> None:
        self._client, self._project, self._key = client, project, tokens_key(project)

    def all(self) -> list[Token]:
        stored = self._client.hgetall(self._key)
        return sorted(map(unpack_token, stored.values()), key=lambda token: (token.service, token.created))

    def get(self, identity: str) -> Token:
        stored = self._client.hget(self._key, identity)
        if stored is None:
            raise FsyncError(f"there is no token '{identity}'; `fsync token list` shows them")
        return unpack_token(stored)

    def create(
        self, service: str, created: int, expires: int | None, pii: bool, rate: int = REQUESTS_PER_SECOND
    ) -> tuple[Token, str]:
        """The token, and its secret, which nobody can show again. FsyncError for no service of Redis."""
        known = [name.decode() for name in self._client.hkeys(services_key(self._project))]
        if service not in known:
            raise FsyncError(
                f"there is no feature service '{service}' in Redis{did_you_mean(service, known)}; "
                "if it is new, run `fsync online`"
            )
        return self._issue(service, created, expires, pii, rate)

    def rotate(self, identity: str, instant: int, until: int, expires: int | None) -> tuple[Token, str]:
        """Another with the same grants; the old one ends at `until`, once the new one is there."""
        old = self.get(identity)
        if old.state(instant) != "valid":
            raise FsyncError(f"token {identity} is {old.state(instant)}; create a new one")
        issued = self._issue(old.service, instant, expires, old.pii, old.rate)
        self.revoke(identity, until)
        return issued

    def revoke(self, identity: str, instant: int) -> Token:
        """It stays listed: a project whose last token is revoked is closed, not open.

        An end that was set before is not put off.
        """
        token = self.get(identity)
        earlier = instant if token.revoked is None else min(instant, token.revoked)
        token = msgspec.structs.replace(token, revoked=earlier)
        self._put(token)
        return token

    def _issue(
        self, service: str, created: int, expires: int | None, pii: bool, rate: int
    ) -> tuple[Token, str]:
        identity = secrets.token_hex(4)
        secret = f"fsync_{identity}_{secrets.token_urlsafe(32)}"
        token = Token(identity, service, digest_of(secret), created, expires, None, pii, rate)
        self._put(token)
        return token, secret

    def _put(self, token: Token) -> None:
        self._client.hset(self._key, token.id, msgspec.json.encode(token))
