"""What a person can get wrong: one clear line, exit code 1, and no file, not even half of one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from sync import FsyncError
from sync.offline.parquet import write_parquet
from tests.conftest import Arcade

GOOD = "select 'p1' as player_id, timestamp '2024-03-08' as event_timestamp"
FEATURE = "player_activity:sessions"


def fails(arcade: Arcade, folder: Path, spine: str, *features: str, options: tuple[str, ...] = ()) -> str:
    out = folder / "out"
    out.mkdir()
    asked = [part for feature in features or (FEATURE,) for part in ("--features", feature)]
    message = arcade.fails("historical", "--spine", spine, *asked, "-o", str(out / "set.parquet"), *options)
    assert list(out.iterdir()) == []
    return message


@pytest.mark.parametrize(
    ("spine", "message"),
    [
        (
            "select 1 as x",
            "the spine has no column player_id (known: x); it is a join key of player_activity@2",
        ),
        ("select 'p1' as player_id, 1 as t", "no column event_timestamp"),
        (
            GOOD.replace("'p1'", "1"),
            "column player_id is INTEGER, but the join key of player_activity@2 is string",
        ),
        (
            "select 'p1' as player_id, '2024' as event_timestamp",
            "event_timestamp is VARCHAR; it must be a timestamp",
        ),
        ("select 'p1' as player_id, time '10:00' as event_timestamp", "event_timestamp is TIME; it must be"),
        (f"{GOOD}, 'p2' as PLAYER_ID", "the spine has two columns called player_id"),
        (f"{GOOD}, 1 as Sessions", "has a column Sessions already, as has player_activity@2:sessions"),
        (f"{GOOD}, 1 as _at", "has a column _at, a name that fsync uses itself"),
        ("select from where", "the spine: the warehouse refused a query: Parser Error"),
        ("select * from nowhere", "Table with name nowhere does not exist"),
        ("player_dya", "spine 'player_dya' is no model of the project (did you mean 'player_day'?)"),
        ("no/such.parquet", "cannot read the spine no/such.parquet: No such file or directory"),
        ("spine.json/x", "is neither .parquet nor .csv"),
    ],
)
def test_a_wrong_spine(shared: Arcade, tmp_path: Path, spine: str, message: str) -> None:
    assert message in fails(shared, tmp_path, spine)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; it needs at least a line of column names"),
        ("player_id,event_timestamp,a,A\np1,2024-03-08,1,2\n", "has two columns called a"),
        ("player_id,event_timestamp\np1,yesterday\n", "CSV Error on Line: 2 Original Line: p1,yesterday"),
        ("player_id,event_timestamp\np1,2024-03-08\np1,2024-03-08,3,4\n", "warehouse refused a query"),
    ],
)
def test_a_wrong_csv(shared: Arcade, tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "spine.csv"
    path.write_text(content)
    assert message in fails(shared, tmp_path, str(path))


def test_a_wrong_parquet(shared: Arcade, tmp_path: Path) -> None:
    path = tmp_path / "spine.parquet"
    path.write_bytes(b"PAR1 not really PAR1")
    assert "cannot read the spine" in fails(shared, tmp_path, str(path))
    columns = [["p1"], [1], [2]]
    pyarrow.parquet.write_table(pyarrow.table(columns, ["player_id", "a", "A"]), path)
    (tmp_path / "out").rmdir()
    assert "has two columns called a" in fails(shared, tmp_path, str(path))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (("player_dya:score",), "unknown feature view 'player_dya' (did you mean 'player_day'?)"),
        (("player_day:scoer",), "player_day has no feature 'scoer' (did you mean 'score'?)"),
        (("player_activity@7:sessions",), "has no version 7 (it has 1, 2)"),
        (("player_day",), "'player_day' is not a feature reference"),
        (("player_day:score,player_day:score",), "player_day:score is asked for twice"),
        (
            ("player_activity@1:sessions", "player_activity:sessions"),
            "are both called sessions; --full-names",
        ),
    ],
)
def test_wrong_features(shared: Arcade, tmp_path: Path, features: tuple[str, ...], message: str) -> None:
    assert message in fails(shared, tmp_path, GOOD, *features)


def test_wrong_options(shared: Arcade, tmp_path: Path) -> None:
    message = fails(shared, tmp_path, GOOD, options=("--as-known-at", "yesterday"))
    assert "as_known_at is 'yesterday'" in message
    (tmp_path / "out").rmdir()
    message = fails(shared, tmp_path, GOOD, options=("--timestamp", "event_time"))
    assert "no column event_time (did you mean 'event_timestamp'?)" in message
    out = str(tmp_path / "set.parquet")
    message = shared.fails("historical", "--spine", GOOD, "--service", "churn_modle", "-o", out)
    assert "unknown feature service 'churn_modle' (did you mean 'churn_model'?)" in message
    for choice in ([], ["--service", "churn_model", "--features", FEATURE]):
        assert shared.fsync("historical", "--spine", GOOD, "-o", out, *choice).exit_code == 2


def test_a_dry_run_checks_and_writes_nothing(shared: Arcade) -> None:
    asked = ["historical", "--spine", GOOD, "--features", FEATURE]
    told = shared.fsync(*asked, "--dry-run")
    assert told.exit_code == 0
    assert told.stdout == "1 column would be added; nothing is billed here\n"
    assert "has no feature 'nothing'" in shared.fails(
        *asked[:3], "--features", "player_activity:nothing", "--dry-run"
    )
    assert shared.fsync(*asked).exit_code == 2


def test_a_wrong_output(shared: Arcade, tmp_path: Path) -> None:
    asked = ["historical", "--spine", GOOD, "--features", FEATURE, "-o"]
    taken = tmp_path / "set.parquet"
    taken.write_text("precious")
    assert f"{taken} exists; --force replaces it" in shared.fails(*asked, str(taken))
    assert taken.read_text() == "precious"
    assert "is a folder" in shared.fails(*asked, str(tmp_path))
    assert "there is no folder" in shared.fails(*asked, str(tmp_path / "no" / "set.parquet"))
    assert shared.fsync(*asked, str(taken), "--force").exit_code == 0
    assert pyarrow.parquet.read_table(taken).num_rows == 1


def test_a_failure_on_the_way_leaves_the_old_file(shared: Arcade, tmp_path: Path) -> None:
    out = tmp_path / "set.parquet"
    out.write_text("precious")
    broken = f"{GOOD}, case when i = 200000 then error('broken') end as i from range(300000) as r (i)"
    message = shared.fails("historical", "--spine", broken, "--features", FEATURE, "-o", str(out), "--force")
    assert "broken" in message

    def batches() -> Iterator[pyarrow.RecordBatch]:
        yield pyarrow.record_batch({"i": range(200_000)})
        raise FsyncError("broken")

    with pytest.raises(FsyncError, match="broken"):
        write_parquet(out, pyarrow.schema([("i", pyarrow.int64())]), batches())
    assert out.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["set.parquet"]


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    schema = pyarrow.schema([("i", pyarrow.int64())])
    with pytest.raises(FsyncError, match=r"cannot write .*: No such file or directory"):
        write_parquet(tmp_path / "gone" / "set.parquet", schema, [])


def test_the_warehouse_is_locked(arcade: Arcade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.warehouse.duckdb.LOCK_WAIT_SECONDS", 0.1)
    path = arcade.path / "target" / "arcade.duckdb"
    script = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        writer.stdout.readline()
        assert "is locked by another process" in fails(arcade, tmp_path, GOOD)
        writer.communicate("\n")


def test_a_view_that_is_not_built(arcade: Arcade, tmp_path: Path) -> None:
    arcade.execute("drop table player_activity_v2")
    message = fails(arcade, tmp_path, GOOD)
    assert "is not in the warehouse; run `dbt build --select player_activity.v2`" in message


def test_a_manifest_of_another_warehouse(arcade: Arcade, tmp_path: Path) -> None:
    with arcade.manifest() as manifest:
        manifest["metadata"]["adapter_type"] = "bigquery"
    assert "is of a bigquery target, but dev is duckdb; run `dbt parse --target dev`" in fails(
        arcade, tmp_path, GOOD
    )


def test_a_project_without_the_package(arcade: Arcade, tmp_path: Path) -> None:
    with arcade.manifest() as manifest:
        manifest["macros"] = {}
    assert "has no macro fsync." in fails(arcade, tmp_path, GOOD)


@pytest.mark.parametrize("given", [3, None, [1], {"player_id": ["p1"]}])
def test_a_spine_that_is_no_table(shared: Arcade, given: object) -> None:
    with pytest.raises(FsyncError, match="the spine must be a table"):
        shared.store().get_historical_features(given, [FEATURE])
