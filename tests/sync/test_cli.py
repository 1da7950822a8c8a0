import ast
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import Arcade

AS_OF = "2024-03-08"


def test_loading_the_commands_loads_nothing_heavy() -> None:
    heavy = ["duckdb", "pyarrow", "redis", "msgspec", "rich", "dbt", "yaml", "jinja2", "sqlglot", "asyncio"]
    script = f"import sys, sync, sync.cli.app; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_help_and_version(arcade: Arcade) -> None:
    assert arcade.fsync("--version").stdout == f"fsync {version('fsync')}\n"
    for command in ([], ["online"], ["get"], ["views"], ["redis"], ["redis", "stop"]):
        shown = arcade.fsync(*command, "--help")
        assert shown.exit_code == 0
        assert "Usage: fsync" in shown.stdout or "Usage: root" in shown.stdout


@pytest.mark.parametrize(("arguments", "scheduled"), [([], "SCHED_IDLE"), (["--max-speed"], "SCHED_OTHER")])
def test_a_sync_takes_what_others_leave_unless_told(
    arguments: list[str], scheduled: str, tmp_path: Path
) -> None:
    script = (
        "import atexit, os; from sync.cli import main; "
        f"atexit.register(lambda: print(os.sched_getscheduler(0) == os.{scheduled})); main()"
    )
    command = [sys.executable, "-c", script, "online", "--project-dir", tmp_path, *arguments]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "True\n"


AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this Linux has no autogroups")
@pytest.mark.parametrize("own_session", [True, False])
def test_a_session_of_its_own_steps_back_with_the_sync(own_session: bool) -> None:
    # A session that Linux started before any other has no group of its own: the file is empty there.
    script = (
        "import pathlib; from sync.cli.priority import step_back; "
        f"group = pathlib.Path('{AUTOGROUP}'); before = group.read_text(); step_back(); "
        "print([before, group.read_text()])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=own_session)
    before, after = ast.literal_eval(done.stdout)
    assert after.endswith("nice 19\n") if own_session else after == before


@pytest.mark.parametrize("arguments", [["onlin"], ["online", "--slect", "x"], ["get"], ["get", "player_day"]])
def test_a_usage_error_is_exit_code_2(arcade: Arcade, arguments: list[str]) -> None:
    result = arcade.fsync(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_online_says_what_it_did(arcade: Arcade) -> None:
    result = arcade.fsync("online", "-s", "player_activity", "-s", "player_day", "--as-of", AS_OF)
    assert result.exit_code == 0
    assert result.stderr == ""
    first, second, third = result.stdout.splitlines()
    assert first.startswith("player_activity@1: 2 rows (first sync), 2 online, ")
    assert first.endswith(" rows/s)")
    assert second.startswith("player_activity@2: 2 rows")
    assert third.startswith("player_day: 1 row (first sync), 1 online")
    dry = arcade.fsync("online", "-s", "player_day", "--as-of", AS_OF, "--dry-run")
    assert dry.stdout == "player_day: 1 row to serve\n"


def test_online_json(arcade: Arcade) -> None:
    arcade.execute("insert into player_day values (null, date '2024-03-06', 1)")
    result = arcade.fsync("online", "--json", "--as-of", AS_OF)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    views = {view["view"]: view for view in json.loads(result.stdout)["views"]}
    assert len(views) == 6
    assert {k: v for k, v in views["player_activity@2"].items() if k != "seconds"} == {
        "view": "player_activity@2",
        "rows": 2,
        "written": 2,
        "entities": 2,
        "full": "first sync",
        "kept": 0,
        "removed": 0,
        "incomplete": 0,
        "dry_run": False,
        "estimate": None,
        "warning": None,
        "error": None,
    }
    assert views["player_day"]["incomplete"] == 1
    assert "NULL" in views["player_day"]["error"]


def test_an_error_before_the_work_leaves_stdout_empty(arcade: Arcade) -> None:
    result = arcade.fsync("online", "--json", "--select", "nothing_near")
    assert result.exit_code == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("player_dya", "unknown feature view 'player_dya' (did you mean 'player_day'?)"),
        ("player_activity@7", "feature view player_activity has no version 7 (it has 1, 2)"),
        ("player_day@1", "has no version 1 (it is not versioned)"),
        ("player_day:score", "is not the name of a feature view"),
        ("offline_only", "offline_only is kept out of Redis by `online: false`"),
    ],
)
def test_selecting_what_is_not_there(arcade: Arcade, select: str, message: str) -> None:
    assert message in arcade.fails("online", "--select", select)


@pytest.mark.parametrize("as_of", ["yesterday", "2024-13-01", "1969-12-31", "2300-01-01"])
def test_a_wrong_instant(arcade: Arcade, as_of: str) -> None:
    assert "as_of is" in arcade.fails("online", "--as-of", as_of)


def test_get_one_entity(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    assert arcade.fsync("get", "player_activity", "p1", "--as-of", AS_OF).stdout == (
        "player_id=p1\n"
        "feature       value  status   event_timestamp\n"
        "------------  -----  -------  --------------------\n"
        "sessions          6  PRESENT  2024-03-05T00:00:00Z\n"
        "play_minutes    3.5  PRESENT  2024-03-05T00:00:00Z\n"
    )


def test_get_several_entities_of_a_composite_key(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    shown = arcade.fsync(
        "get", "player_mode_skill", "p1,casual", r"a\,b,c\\d", "p1,chess", "--as-of", AS_OF
    ).stdout
    blocks = [block.splitlines() for block in shown.split("\n\n")]
    assert [block[0] for block in blocks] == [
        "player_id=p1, game_mode=casual",
        r"player_id=a,b, game_mode=c\d",
        "player_id=p1, game_mode=chess",
    ]
    assert [block[3].split()[:3] for block in blocks] == [
        ["rating", "1500.25", "PRESENT"],
        ["rating", "3.0", "PRESENT"],
        ["rating", "-", "NOT_FOUND"],
    ]


def test_get_a_service(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    shown = arcade.fsync("get", "churn_model", "p1,casual", "--as-of", AS_OF).stdout
    assert "player_activity@1:sessions        5  PRESENT" in shown


def test_get_json(arcade: Arcade) -> None:
    arcade.store().sync(as_of=AS_OF)
    assert json.loads(arcade.fsync("get", "every_type:small", "1", "--json", "--as-of", AS_OF).stdout) == {
        "as_of": "2024-03-08T00:00:00Z",
        "rows": [
            {
                "keys": {"item_id": 1},
                "features": {
                    "every_type:small": {
                        "value": 1,
                        "status": "PRESENT",
                        "event_timestamp": "2024-03-05T00:00:00Z",
                    }
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["player_day", "p1,extra,"], None),
        (["player_mode_skill", "p1"], "key ['p1'] has 1 part, but 2 are needed: player_id, game_mode"),
        (["every_type", "one"], "key item_id is of type integer, not 'one'"),
        (["player_dya", "p1"], "'player_dya' of project arcade is not in Redis (did you mean 'player_day'?)"),
        (["churn_modle", "p1"], "(did you mean 'churn_model'?)"),
        (["player_activity@9", "p1"], "'player_activity@9' of project arcade is not in Redis"),
        (["player_day:scor", "p1"], "has no feature 'scor' in Redis (did you mean 'score'?)"),
        (["offline_only", "p1"], "run `fsync online`"),
    ],
)
def test_getting_what_is_not_there(arcade: Arcade, arguments: list[str], message: str | None) -> None:
    arcade.store().sync(as_of=AS_OF)
    if message is None:
        assert arcade.fsync("get", *arguments).exit_code == 0, "a comma in a single key is a comma"
    else:
        assert message in arcade.fails("get", *arguments)


def test_get_before_any_sync(arcade: Arcade) -> None:
    error = arcade.fails("get", "player_day", "p1")
    assert "'player_day' of project arcade is not in Redis; run `fsync online` to put it there" in error


def test_views(arcade: Arcade) -> None:
    shown = arcade.fsync("views").stdout
    assert "player_activity@2  player        30d            yes     2         latest" in shown
    assert (
        "player_activity@1  player        30d            yes     1         deprecated from 2027-01-01"
        in shown
    )
    assert "service churn_model\n  player_activity:sessions" in shown


def test_views_json(arcade: Arcade) -> None:
    answer = json.loads(arcade.fsync("views", "--json").stdout)
    assert answer["project"] == "arcade"
    views = {view["view"]: view for view in answer["views"]}
    skill = views["player_mode_skill"]
    assert skill["join_keys"] == [
        {"name": "player_id", "type": "string"},
        {"name": "game_mode", "type": "string"},
    ]
    assert (skill["ttl"], views["every_type"]["ttl"], views["offline_only"]["online"]) == ("30d", None, False)
    assert answer["services"][0]["name"] == "churn_model"
