from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sync.errors import FsyncError


class RedisUnavailable(FsyncError):
    """Redis cannot be used at all, so that going on with another view is of no use."""


_HINTS = {
    "NOAUTH": "asks for a password; put it into the URL: redis://:password@host:6379/0",
    "OOM": "is out of memory (maxmemory); nothing was changed: give it more memory or sync fewer views",
    "MISCONF": "refuses writes because it cannot save to disk; see its log",
    "READONLY": "is a read-only replica; give the URL of the primary",
    "NOPERM": "does not permit this user what fsync needs",
    "LOADING": "is still loading its data; try again in a moment",
}


def connect(url: str) -> "redis.Redis":
    """A client whose answer to PING was seen."""
    try:
        client = redis.Redis.from_url(
            url, socket_connect_timeout=5, socket_timeout=60, retry=Retry(NoBackoff(), 1), client_name="fsync"
        )
    except ValueError as error:
        raise RedisUnavailable(
            f"'{redact(url)}' is not a Redis URL ({error}); write redis://host:6379/0"
        ) from None
    with redis_failures(url):
        client.ping()
    return client


@contextmanager
def redis_failures(url: str) -> Iterator[None]:
    where = f"Redis at {redact(url)}"
    try:
        yield
    except redis.AuthenticationError:
        if urlsplit(url).password is None:
            raise RedisUnavailable(f"{where} {_HINTS['NOAUTH']}") from None
        raise RedisUnavailable(f"{where} refused the user or password; check the URL") from None
    except redis.BusyLoadingError:
        raise RedisUnavailable(f"{where} {_HINTS['LOADING']}") from None
    except redis.TimeoutError:
        raise RedisUnavailable(f"{where} does not answer in time") from None
    except redis.ConnectionError as error:
        raise RedisUnavailable(
            f"cannot reach {where} ({str(error).rstrip('.')}); check --redis-url or FSYNC_REDIS_URL"
        ) from None
    except redis.RedisError as error:
        raise _explained(where, str(error)) from None


def _explained(where: str, message: str) -> FsyncError:
    for word, hint in _HINTS.items():
        if word in message or (word == "OOM" and "maxmemory" in message):
            return FsyncError(f"{where} {hint}")
    return FsyncError(f"{where} refused a command: {message}")


def redact(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    _, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
