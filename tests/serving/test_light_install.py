"""What `fsync[serve]` installs is enough to serve; what it leaves out is named when it is missed."""

import subprocess
import sys
from pathlib import Path

import pytest

from sync.cli.failures import OF_DUCKDB

from .conftest import PROJECT, Online, Server

WITHOUT = f"""
import sys
for name in {OF_DUCKDB!r}:
    # Typer draws its help with rich, if it is there.
    if name != "rich":
        sys.modules[name] = None
from sync.cli.app import app
app()
"""


class LightServer(Server):
    command = (sys.executable, "-c", WITHOUT)


@pytest.mark.usefixtures("online")
def test_features_are_served_without_dbt_and_duckdb(online: Online, redis_url: str) -> None:
    del online
    server = LightServer(redis_url)
    try:
        asked = {"requests": [{"entityId": "p1", "featureNames": ["player_skill:skill"]}]}
        assert server.post("/batch-features", asked).json["features"][0]["features"][0]["number"] == 0.25
        assert server.get("/openapi.json").status == server.get("/metrics").status == 200
    finally:
        assert "Traceback" not in server.stop()
        assert server.process.stdout
        server.process.stdout.close()


def test_features_are_read_without_them(online: Online, redis_url: str, tmp_path: Path) -> None:
    del online
    (tmp_path / "dbt_project.yml").write_text(f"name: {PROJECT}\n")
    command = [sys.executable, "-c", WITHOUT, "get", "player_skill", "p1", "--project-dir", tmp_path]
    run = subprocess.run([*command, "--redis-url", redis_url], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "gold" in run.stdout


def test_a_command_that_needs_them_says_so(tmp_path: Path, built_arcade: Path, redis_url: str) -> None:
    del tmp_path
    command = [sys.executable, "-c", WITHOUT, "online", "--project-dir", built_arcade]
    run = subprocess.run([*command, "--redis-url", redis_url], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "pip install 'fsync[duckdb]'" in run.stderr
    assert "Traceback" not in run.stderr
