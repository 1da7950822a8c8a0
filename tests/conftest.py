import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
import redis
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner, Result

from sync import FeatureStore
from sync.cli.app import app
from sync.redis_server import RedisServer

FIXTURES = Path(__file__).parent / "fixtures"

# No test is one of speed: a machine may be busy.
settings.register_profile("fsync", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fsync")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("DBT_", "FSYNC_", "ARCADE_")):
            monkeypatch.delenv(name)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first of pytest's workers to ask for it makes, and all of them read."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def built_arcade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small dbt project under fixtures/arcade, built once by dbt itself."""
    return made_once(tmp_path_factory, "arcade", _build_arcade)


def _build_arcade(directory: Path) -> None:
    shutil.copytree(FIXTURES / "arcade", directory)
    run_dbt(directory, "build")


def run_dbt(directory: Path, *arguments: str) -> None:
    """Without settings from outside."""
    outside = ("DBT_", "FSYNC_", "ARCADE_", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    done = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", "--quiet", *arguments],
        cwd=directory,
        env={**kept, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def write_files(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


class Arcade:
    """A copy of the built project to use and to spoil."""

    def __init__(self, path: Path, redis_url: str) -> None:
        self.path = path
        self.redis_url = redis_url
        self.client = redis.Redis.from_url(redis_url)

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self.path / "target" / "arcade.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def manifest(self) -> Iterator[dict[str, Any]]:
        path = self.path / "target" / "manifest.json"
        manifest = json.loads(path.read_text())
        yield manifest
        path.write_text(json.dumps(manifest))

    @contextmanager
    def node(self, name: str) -> Iterator[dict[str, Any]]:
        with self.manifest() as manifest:
            yield manifest["nodes"][f"model.arcade.{name}"]

    def store(self, **options: Any) -> FeatureStore:
        return FeatureStore(self.path, **{"redis_url": self.redis_url, **options})

    def fsync(self, *arguments: str) -> Result:
        return CliRunner().invoke(
            app,
            [*arguments],
            env={"DBT_PROJECT_DIR": str(self.path), "FSYNC_REDIS_URL": self.redis_url},
            catch_exceptions=False,
        )

    def fails(self, *arguments: str) -> str:
        """The one line on stderr of a command that must fail, and must not print anything else."""
        result = self.fsync(*arguments)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith("fsync: ")
        assert len(result.stderr.splitlines()) == 1, result.stderr
        return result.stderr.strip()

    def stored(self, view: str) -> dict[str, dict[str, Any]]:
        rows = self.client.hgetall(f"fsync:{{arcade/{view}}}:rows")
        features = json.loads(self.client.hget(f"fsync:{{arcade/{view}}}:meta", "features") or "[]")
        names = [feature["name"] for feature in features]
        return {
            key.decode(): dict(zip(names, json.loads(value[32:]), strict=True)) for key, value in rows.items()
        }

    def dump(self) -> dict[bytes, Any]:
        read = {b"hash": self.client.hgetall, b"string": self.client.get}
        return {key: read[self.client.type(key)](key) for key in self.client.scan_iter()}


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def arcade(built_arcade: Path, tmp_path: Path, redis_url: str) -> Iterator[Arcade]:
    directory = tmp_path / "arcade"
    shutil.copytree(built_arcade, directory)
    arcade = Arcade(directory, redis_url)
    yield arcade
    arcade.client.close()
