import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from sync.instants import DAY, now
from sync.online import layout
from sync.registry.views import Feature, JoinKey

PROJECT = "arcade"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`fsync serve` in a process of its own."""

    command: tuple[str, ...] = (str(Path(sys.executable).with_name("fsync")),)

    def __init__(self, redis_url: str, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        command = [*self.command, "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--project", PROJECT, "--redis-url", redis_url, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.url = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if self.get("/health").status == 200:
                    return
            except OSError:
                assert self.process.poll() is None, self.process.stdout and self.process.stdout.read()
                time.sleep(0.02)
        raise AssertionError("the server does not start")

    def get(self, path: str, token: str | None = None, **headers: str) -> Answer:
        return self.ask(path, None, token, **headers)

    def post(self, path: str, body: Any, token: str | None = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(path, data, token, **headers)

    def ask(self, path: str, data: bytes | None, token: str | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.url + path, data, named)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def stop(self) -> str:
        """What it wrote."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=15)
        return output


Serve = Callable[..., Server]


@pytest.fixture
def serve(redis_url: str) -> Iterator[Serve]:
    servers = []

    def start(*options: str, url: str = redis_url) -> Server:
        servers.append(Server(url, *options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()
        if server.process.stdout:
            server.process.stdout.close()


class Online:
    """Views written in the layout, as a sync leaves them."""

    def __init__(self, client: "redis.Redis") -> None:
        self.client = client

    def view(
        self,
        name: str,
        features: list[Feature],
        rows: dict[str, dict[str, Any] | str],
        *,
        keys: tuple[JoinKey, ...] = (JoinKey("player_id", "string"),),
        version: str | None = None,
        ttl: int | None = 30 * DAY,
        age: int = 1_000_000,
        fingerprint: str = "one",
    ) -> None:
        """A row is its features, or the whole stored text."""
        instant = now()
        event = instant - age
        meta = layout.ViewMeta(
            name, version, keys, tuple(features), ttl, instant, instant, len(rows), event, event, fingerprint
        )
        stored = {
            key: row
            if isinstance(row, str)
            else f"{event:016d}{event:016d}" + json.dumps([row.get(feature.name) for feature in features])
            for key, row in rows.items()
        }
        at = layout.view_keys(PROJECT, meta.reference)
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.delete(at.rows, at.meta)
            pipeline.hset(at.rows, mapping=stored)
            pipeline.hset(at.meta, mapping=layout.pack_meta(meta))
            pipeline.hset(layout.views_key(PROJECT), name, version or "")
            pipeline.execute()

    def service(self, name: str, *references: str) -> None:
        self.client.hset(layout.services_key(PROJECT), name, json.dumps(references))


@pytest.fixture
def online(redis_url: str) -> Iterator[Online]:
    with redis.Redis.from_url(redis_url) as client:
        online = Online(client)
        fill(online)
        yield online


def fill(online: Online) -> None:
    skill = [Feature("skill", "float", default=0.5), Feature("tier", "string"), Feature("payer", "boolean")]
    old = now() - 40 * DAY
    rows: dict[str, dict[str, Any] | str] = {
        "p1": {"skill": 0.25, "tier": "gold", "payer": True},
        "p2": {"skill": None, "tier": "null", "payer": False},
        "p3": {"tier": "a:b:c"},
        "old": f"{old:016d}{old:016d}" + '[0.75,"x",true]',
    }
    online.view("player_skill", skill, rows)
    email = [Feature("email", "string", pii=True), Feature("country", "string")]
    online.view("player_profile", email, {"p1": {"email": "p1@example.com", "country": "FI"}})
    keys = (JoinKey("player_id", "string"), JoinKey("mode", "string"))
    online.view("player_mode", [Feature("wins", "integer", default=0)], {"p1,casual": {"wins": 7}}, keys=keys)
    online.service("game", "player_skill:skill", "player_skill:tier")
    online.service("crm", "player_profile:country", "player_profile:email")
    online.service("modes", "player_mode:wins")
