"""However the bytes of requests come, whatever came before: each is understood as if it were the first."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from sync.serving.http import HttpProtocol
from sync.serving.messages import Request, Response

PATHS = ("/health", "/features/v/p1", "/features/v/p%31", "/batch-features?x=1", "http://h/services")
# Few, so that the same heads come again.
HEADERS = (
    b"",
    b"Authorization: Bearer one\r\n",
    b"Authorization: Bearer two\r\n",
    b"X-Request-Id: mine\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: keep-alive\r\n",
)


class Sent(NamedTuple):
    method: bytes
    path: str
    header: bytes
    body: bytes
    is_chunked: bool

    def raw(self) -> bytes:
        start = b"%b %b HTTP/1.1\r\nHost: x\r\n%b" % (self.method, self.path.encode(), self.header)
        if self.is_chunked:
            chunk = b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b""
            return start + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
        size = b"Content-Length: %d\r\n" % len(self.body) if self.body or self.method == b"POST" else b""
        return start + size + b"\r\n" + self.body

    def understood(self) -> tuple[Any, ...]:
        path = self.path.removeprefix("http://h").partition("?")[0].replace("%31", "1")
        bearer = self.header[15:-2] if self.header.startswith(b"Auth") else None
        return self.method.decode(), path, bearer, self.body, b"mine" in self.header


class App:
    """Answers at once, or all that waits when it is told to."""

    max_body, timeout = 1000, 5.0

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def answer(self, request: Request, respond: Any) -> None:
        named = request.id == b"mine"
        self.seen.append((request.method, request.path, request.authorization, request.body, named))
        respond(Response(200, b"text/plain", b"ok"))

    def refused(self, request: Request, status: int, message: str) -> Response:
        raise AssertionError((request, status, message))


class Transport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass


def connection(app: App) -> tuple[HttpProtocol, Transport]:
    loop: Any = SimpleNamespace(time=lambda: 0.0, call_later=lambda *_: SimpleNamespace(cancel=lambda: None))
    config, state = SimpleNamespace(loaded_app=app), SimpleNamespace(connections=set())
    protocol, transport = HttpProtocol(config, state, {}, loop), Transport()
    protocol.connection_made(transport)  # type: ignore[arg-type]
    return protocol, transport


# One of them is itself a request, which may be known.
BODIES = st.sampled_from([b"", b"{}", b"[]", b"\r\n\r\n", Sent(b"GET", "/health", b"", b"", False).raw()])
METHODS = st.sampled_from([b"GET", b"POST"])
ONE = st.builds(Sent, METHODS, st.sampled_from(PATHS), st.sampled_from(HEADERS), BODIES, st.booleans())


@st.composite
def conversations(draw: st.DrawFn) -> list[Sent]:
    """Of one or two clients, whose requests are much alike."""
    alike = st.sampled_from(draw(st.lists(ONE, min_size=1, max_size=2)))
    others = draw(st.lists(st.tuples(alike, BODIES | st.none()), min_size=1, max_size=8))
    return [one if body is None else one._replace(body=body) for one, body in others]


@given(conversations(), st.data())
def test_any_pieces_of_any_requests(requests: list[Sent], data: st.DataObject) -> None:
    stream, places = b"", []
    for request in requests:
        start, end = len(stream), len(stream) + request.raw().index(b"\r\n\r\n") + 4
        places += [start, start + 3, end]
        stream += request.raw()
    cuts = {place for place in places if data.draw(st.booleans())}
    cuts |= {0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=2))}
    app = App()
    protocol, transport = connection(app)
    for start, end in pairwise(sorted(cuts)):
        protocol.data_received(stream[start:end])
    assert app.seen == [request.understood() for request in requests]
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(requests)
    assert transport.written.count(b"100 Continue") == sum(b"Expect" in sent.header for sent in requests)
