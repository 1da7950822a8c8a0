"""What a Redis URL says, and what the server behind it says of itself."""

from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
PORT, SENTINEL_PORT = 6379, 26379
SENTINEL_URL = "redis+sentinel://host:26379/<primary's name>/<db>"


class Server(NamedTuple):
    """A host and its port, or the path of a socket."""

    host: str
    port: int
    path: str | None = None


class Address(NamedTuple):
    """`servers`: the one, any of a Cluster, or the Sentinels that know the `primary`.

    `options`: of the query, but for the database.
    """

    servers: tuple[Server, ...]
    primary: str | None
    database: int
    username: str | None
    password: str | None
    secure: bool
    options: dict[str, str]


def parse_address(url: str) -> Address:
    """Raises ValueError in words that repeat nothing of the URL, which may hold a password."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("it begins with redis://, rediss://, unix:// or redis+sentinel://")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    hosts, primary, database = parts.netloc.rpartition("@")[2], None, ""
    try:
        if parts.scheme == "unix":
            servers = [Server("localhost", PORT, unquote(parts.path))]
        elif parts.scheme.endswith("+sentinel"):
            primary, _, database = parts.path.strip("/").partition("/")
            servers = [_server(host, SENTINEL_PORT) for host in hosts.split(",") if host]
        else:
            database = parts.path.strip("/")
            servers = [_server(hosts, PORT)]
        number = int(options.pop("db", database or "0"))
    except ValueError:
        raise ValueError("its port or its database is no number") from None
    if primary == "" or not servers:
        raise ValueError(f"a Sentinel's URL is {SENTINEL_URL}")
    return Address(
        tuple(servers),
        primary,
        number,
        unquote(user) or None,
        unquote(password) or None,
        parts.scheme.startswith("rediss"),
        options,
    )


def _server(host: str, port: int) -> Server:
    """`port`: where the host names none."""
    parts = urlsplit(f"//{host}")
    return Server(parts.hostname or "localhost", parts.port or port)


def mode_of(hello: Any) -> str:
    """`standalone`, `cluster` or `sentinel`, from HELLO's answer: pairs in a mapping or in a row."""
    said = hello if isinstance(hello, dict) else dict(zip(hello[::2], hello[1::2], strict=False))
    mode = said.get(b"mode", b"standalone")
    return mode.decode() if isinstance(mode, bytes) else str(mode)
