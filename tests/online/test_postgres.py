"""The same views on a real Postgres, through dbt's own adapter, end as the same rows in Redis."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sync import FeatureStore
from sync.warehouse import adapter
from tests.conftest import Arcade, run_dbt

psycopg2 = pytest.importorskip("psycopg2")
AS_OF = "2024-03-08"
HUGE = str(2**127 - 1)


def programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """Settings of a target. Postgres does not run as root."""
    bin_ = programs()
    if bin_ is None:
        pytest.skip("no Postgres server here")
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    directory = Path(tempfile.mkdtemp(prefix="fsync-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    as_user: dict[str, Any] = {"cwd": directory, "stdout": subprocess.DEVNULL, "check": True}
    as_user |= {"user": user} if os.geteuid() == 0 else {}
    data = str(directory / "data")
    subprocess.run([bin_ / "initdb", "-D", data, "-A", "trust", "-U", "fsync", "-E", "UTF8"], **as_user)
    options = (
        f"-p {port} -k {directory} -c listen_addresses=127.0.0.1 -c timezone=America/New_York -c fsync=off"
    )
    log = str(directory / "log")
    subprocess.run([bin_ / "pg_ctl", "-D", data, "-o", options, "-l", log, "-w", "start"], **as_user)
    yield {
        "type": "postgres",
        "host": "127.0.0.1",
        "port": port,
        "user": "fsync",
        "password": "unused",
        "dbname": "postgres",
        "schema": "features",
        "threads": 2,
    }
    subprocess.run([bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **as_user)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def built(postgres: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("postgres") / "arcade"
    shutil.copytree(Path(__file__).parents[1] / "fixtures" / "arcade", directory)
    for path in directory.glob("models/**/*"):
        if path.is_file():
            # What Postgres spells otherwise, or has not.
            text = path.read_text().replace("::double", "::double precision").replace("::float", "::real")
            text = (
                text.replace("hugeint", "numeric").replace("[1, 2]", "array[1, 2]").replace(HUGE, HUGE[:-1])
            )
            path.write_text(
                text.replace("data_type: double", "data_type: double precision").replace(
                    ": float}", ": real}"
                )
            )
    (directory / "profiles.yml").write_text(
        yaml.safe_dump({"arcade": {"target": "pg", "outputs": {"pg": postgres}}})
    )
    run_dbt(directory, "build")
    return directory


@pytest.fixture
def on_postgres(built: Path, redis_url: str) -> Iterator[Arcade]:
    arcade = Arcade(built, redis_url)
    yield arcade
    arcade.client.close()


def execute(postgres: dict[str, Any], *statements: str) -> None:
    connection = psycopg2.connect(
        host="127.0.0.1", port=postgres["port"], user="fsync", dbname="postgres", options="-c timezone=UTC"
    )
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def rows(arcade: Arcade) -> dict[bytes, Any]:
    return {key: value for key, value in arcade.dump().items() if key.endswith(b":rows")}


@pytest.mark.parametrize("entities", [1, adapter.ENTITIES_PER_PART])
def test_the_same_rows_as_from_duckdb(
    arcade: Arcade, on_postgres: Arcade, monkeypatch: pytest.MonkeyPatch, entities: int
) -> None:
    monkeypatch.setattr(adapter, "ENTITIES_PER_PART", entities)
    with arcade.node("every_type") as node:
        node["columns"]["huge"]["data_type"] = "decimal(38,0)"
    arcade.execute("alter table every_type alter huge type decimal(38, 0) using huge // 10")
    on_duckdb = arcade.store().sync(as_of=AS_OF)
    expected = rows(arcade)
    arcade.client.flushall()
    from_postgres = on_postgres.store().sync(as_of=AS_OF)
    assert [result.written for result in from_postgres] == [result.written for result in on_duckdb]
    assert sum(result.written for result in on_duckdb) > 10
    found = rows(on_postgres)
    for key in expected.keys() | found.keys():
        for field in expected[key].keys() | found[key].keys():
            assert found[key].get(field) == expected[key].get(field)


def test_only_changes_are_read_and_written(postgres: dict[str, Any], on_postgres: Arcade) -> None:
    store = on_postgres.store()
    store.sync(["player_activity@2"], as_of=AS_OF)
    table = "features.player_activity_v2"
    values = "('p1', timestamp '2024-03-07', timestamp '2024-03-09', 40, 4.5)"
    execute(postgres, f"insert into {table} values {values}")
    try:
        (result,) = store.sync(["player_activity@2"], as_of="2024-03-10")
        assert (result.full, result.rows, result.written) == (None, 1, 1)
        assert on_postgres.stored("player_activity@2")["p1"] == {"sessions": 40, "play_minutes": 4.5}
        (status,) = store.status(["player_activity@2"])
        assert (status.online, status.state) == (2, "ok")
    finally:
        execute(postgres, f"delete from {table} where sessions = 40")


def test_the_same_drift_as_on_duckdb(arcade: Arcade, on_postgres: Arcade) -> None:
    # Of these the columns hold the same in both.
    views = ["player_activity", "player_day", "player_mode_skill", "odd_names"]
    here, there = (one.store().drift(views, baseline="3d", as_of=AS_OF) for one in (arcade, on_postgres))
    assert here == there
    assert sum(len(one.features) for one in here) > 4


def test_what_cannot_be_done_is_said(postgres: dict[str, Any], on_postgres: Arcade, tmp_path: Path) -> None:
    store = on_postgres.store()
    with pytest.raises(Exception, match="training sets on DuckDB and BigQuery only"):
        store.get_historical_features("select 'p1' as player_id", ["player_activity:sessions"]).table()
    with pytest.raises(Exception, match="compares builds on DuckDB and BigQuery only"):
        store.diff("player_activity@1", "player_activity@2")
    for broken, words in (
        ({"port": 1}, "postgres: .*refused"),
        ({"port": "many"}, "profiles.yml: target pg: 'many' is not"),
        ({"type": "snowflake"}, "run `pip install dbt-snowflake`"),
        ({"type": "postgrez"}, "did you mean 'postgres'"),
    ):
        outputs = {"pg": postgres | broken}
        (tmp_path / "profiles.yml").write_text(
            yaml.safe_dump({"arcade": {"target": "pg", "outputs": outputs}})
        )
        other = FeatureStore(on_postgres.path, redis_url=on_postgres.redis_url, profiles_dir=tmp_path)
        started = time.monotonic()
        with pytest.raises(Exception, match=words):
            other.sync(as_of=AS_OF)
        assert time.monotonic() - started < 30
