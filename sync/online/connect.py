"""The only opener of Redis: one server, a Cluster, or the primary that Sentinels know."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import URL_QUERY_ARGUMENT_PARSERS
from redis.retry import Retry

from sync.errors import FsyncError
from sync.online.address import SENTINEL_URL, mode_of, parse_address


class RedisUnavailable(FsyncError):
    """Redis cannot be used at all, so that going on with another view is of no use."""


_HINTS = {
    "NOAUTH": "asks for a password; put it into the URL: redis://:password@host:6379/0",
    "OOM": "is out of memory (maxmemory): give it more memory or sync fewer views, then run again",
    "MISCONF": "refuses writes because it cannot save to disk; see its log",
    "READONLY": "is a read-only replica; give the URL of the primary",
    "NOPERM": "does not permit this user what fsync needs; see `fsync acl`",
    "LOADING": "is still loading its data; try again in a moment",
    "CLUSTERDOWN": "is a Cluster of which some slots are served by nobody",
}
GIVEN = "--redis-url or FSYNC_REDIS_URL"
_SETTINGS: dict[str, Any] = {
    "socket_connect_timeout": 5,
    "socket_timeout": 60,
    "client_name": "fsync",
}


def connect(url: str, given: str = GIVEN) -> Any:
    """A client whose answer to PING was seen: redis.Redis, or RedisCluster where the server is of a Cluster.

    `redis://`, `rediss://` (TLS; `?ssl_ca_certs=FILE`), `unix://`, and for Sentinels
    `redis+sentinel://[user:password@]host[:port][,host…]/<primary's name>[/<db>]`.
    """
    try:
        client = _sentinel(url) if url.startswith(("redis+sentinel:", "rediss+sentinel:")) else _single(url)
    except ValueError as error:
        raise RedisUnavailable(
            f"'{redact(url)}' is not a Redis URL ({error}); write redis://host:6379/0"
        ) from None
    with redis_failures(url, given):
        client.ping()
        mode = _mode(client)
        if mode == "sentinel":
            raise RedisUnavailable(f"Redis at {redact(url)} is a Sentinel; write {SENTINEL_URL}")
        if mode != "cluster":
            return client
        client.close()
        return redis.RedisCluster.from_url(url, **_SETTINGS)


def node_of(client: Any, key: str) -> "redis.Redis":
    """The server that holds a key: the one there is, or the Cluster's node for its slot."""
    if not isinstance(client, redis.RedisCluster):
        server: redis.Redis = client
        return server
    cluster: Any = client
    node: redis.Redis = cluster.get_redis_connection(cluster.get_node_from_key(key))
    return node


def _single(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 1), **_SETTINGS)


def _sentinel(url: str) -> "redis.Redis":
    address = parse_address(url)
    parsers: dict[str, Any] = {**URL_QUERY_ARGUMENT_PARSERS}
    options = {name: parsers.get(name, str)(value) for name, value in address.options.items()}
    sentinel = redis.Sentinel(  # type: ignore[no-untyped-call]
        [(server.host, server.port) for server in address.servers],
        socket_connect_timeout=5,
        socket_timeout=5,
    )
    client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        address.primary,
        db=address.database,
        username=address.username,
        password=address.password,
        retry=Retry(NoBackoff(), 1),
        **_SETTINGS | ({"ssl": True} if address.secure else {}) | options,
    )
    return client


def _mode(client: "redis.Redis") -> str:
    """As HELLO says, which every user may ask."""
    try:
        return mode_of(client.execute_command("HELLO"))  # type: ignore[no-untyped-call]
    except redis.ResponseError:
        return "standalone"


@contextmanager
def redis_failures(url: str, given: str = GIVEN) -> Iterator[None]:
    """Raises RedisUnavailable with words for a person. `given`: where the URL stands."""
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
        raise RedisUnavailable(f"cannot reach {where} ({str(error).rstrip('.')}); check {given}") from None
    except (
        redis.exceptions.MovedError,
        redis.exceptions.AskError,
        redis.exceptions.ClusterDownError,
    ) as error:
        raise RedisUnavailable(f"{where} moves its slots ({error})") from None
    except redis.exceptions.RedisClusterException as error:
        raise RedisUnavailable(f"cannot reach {where} ({str(error).rstrip('.')})") from None
    except redis.exceptions.NoPermissionError:
        raise FsyncError(f"{where} {_HINTS['NOPERM']}") from None
    except redis.RedisError as error:
        raise _explained(where, str(error)) from None


def _explained(where: str, message: str) -> FsyncError:
    for word, hint in _HINTS.items():
        if word in message or (word == "OOM" and "maxmemory" in message):
            return FsyncError(f"{where} {hint}")
    return FsyncError(f"{where} refused a command: {message}")


def redact(url: str) -> str:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    if ":" not in credentials:
        return url
    return urlunsplit(parts._replace(netloc=f"{credentials.partition(':')[0]}:***@{hosts}"))
