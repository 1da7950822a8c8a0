"""Edits of a project's models, each with what a plan must say of it; and the command, end to end."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from sync.changes.plan import Plan, make_plan
from sync.changes.plan_report import as_json, as_markdown, as_text
from sync.changes.state import FeatureState, ModelState, State, ViewState, read_state
from sync.cli.app import app
from sync.errors import FsyncError
from tests.conftest import Arcade, run_dbt

FIXTURE = Path(__file__).parents[1] / "fixtures" / "arcade"


def view(**changes: Any) -> ViewState:
    features = {"wins": FeatureState("integer", "w", 0), "score": FeatureState("float", "s")}
    return replace(ViewState("model.p.v", [("player_id", "string")], "rows", features, 60_000_000), **changes)


def state(view: ViewState | None, **changes: Any) -> State:
    views = {} if view is None else {"v": view}
    models = {"model.p.v": ModelState("v", "text", "computed", "incremental")}
    services = {} if view is None else {"churn": {"v:wins": "v:wins"}}
    return replace(State("p", "m", views, models, services, {"board": ["model.p.v"]}), **changes)


def planned(new: ViewState | None, **changes: Any) -> Plan:
    return make_plan(state(view()), state(new, **changes))


def features(**changed: FeatureState | None) -> dict[str, FeatureState]:
    found = {**view().features, **changed}
    return {name: feature for name, feature in found.items() if feature is not None}


CASES = {
    "nothing": (view(), [], False, False),
    "feature added": (
        view(features=features(new=FeatureState("float", "n"))),
        [("added", "v:new")],
        False,
        False,
    ),
    "feature no service reads removed": (
        view(features=features(score=None)),
        [("removed", "v:score")],
        False,
        True,
    ),
    "feature removed": (view(features=features(wins=None)), [("removed", "v:wins")], True, True),
    "view removed": (None, [("removed", "v")], True, True),
    "type": (view(features=features(wins=FeatureState("float", "w", 0))), [("type", "v:wins")], True, True),
    "expression": (
        view(features=features(wins=FeatureState("integer", "x", 0))),
        [("computation", "v:wins")],
        False,
        True,
    ),
    "default": (
        view(features=features(wins=FeatureState("integer", "w", 1))),
        [("computation", "v:wins")],
        False,
        True,
    ),
    "ttl": (view(ttl=None), [("computation", "v")], False, True),
    "rows": (view(rows="others"), [("computation", "v")], False, True),
    "join key": (view(join_keys=[("user_id", "string")]), [("type", "v")], True, True),
}


@pytest.mark.parametrize("name", CASES)
def test_classes(name: str) -> None:
    new, changes, breaking, moves = CASES[name]
    plan = planned(new)
    assert [(change.kind, change.name) for change in plan.changes] == changes
    assert (plan.breaking, plan.moves_values) == (breaking, moves)
    assert as_json(plan)["breaking"] == breaking
    for change in plan.changes:
        assert change.name in as_text(plan)
        assert f"`{change.name}`" in as_markdown(plan)


def test_touched_services_and_exposures() -> None:
    assert planned(view(rows="others")).services == {"churn": ["v:wins"]}
    assert planned(view(rows="others")).exposures == ["board"]
    only_score = planned(view(features=features(score=FeatureState("float", "x"))))
    assert only_score.services == {}
    assert planned(view(features=features(new=FeatureState("float", "n")))).exposures == []


def test_a_computation_that_changed_rebuilds_an_incremental_model() -> None:
    models = {"model.p.v": ModelState("v", "other", "other", "incremental")}
    plan = planned(view(rows="others"), models=models)
    assert plan.todo == ["dbt build --full-refresh --select v", "fsync online --select v"]
    as_table = {"model.p.v": ModelState("v", "other", "other", "table")}
    assert planned(view(rows="others"), models=as_table).todo[0] == "dbt build --select v"


def test_text_only() -> None:
    plan = planned(view(), models={"model.p.v": ModelState("v", "other", "computed", "incremental")})
    assert (plan.changes, plan.text_only, plan.todo) == ([], ["v"], [])


def test_a_reference_without_version_follows_the_latest() -> None:
    old = state(None, views={"v@1": view()}, services={"churn": {"v:wins": "v@1:wins"}})
    same, other = view(), view(features=features(wins=FeatureState("float", "x", 0)))
    new = [
        state(None, views={"v@1": view(), "v@2": latest}, services={"churn": {"v:wins": "v@2:wins"}})
        for latest in (same, other)
    ]
    assert not make_plan(old, new[0]).breaking
    assert make_plan(old, new[0]).moves_values
    assert make_plan(old, new[1]).breaking


def test_states_of_another_method_do_not_compare() -> None:
    with pytest.raises(FsyncError, match="plan --save"):
        make_plan(state(view(), method="other"), state(view()))


def run(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", "--project-dir", str(project), *arguments])


def test_the_command(tmp_path: Path) -> None:
    project = tmp_path / "arcade"
    shutil.copytree(FIXTURE, project, ignore=shutil.ignore_patterns("target", "logs"))
    missing = run(project)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "fsync plan --save" in missing.stderr
    assert run(project, "--save").exit_code == 0

    models = project / "models" / "features" / "player"
    day = models / "player_day.sql"
    day.write_text("-- what a day brings\n" + day.read_text().replace("as t (", "as u ("))
    activity = models / "player_activity_v2.sql"
    activity.write_text(activity.read_text().replace("    sessions,\n", "    sessions + 1 as sessions,\n"))
    moved = run(project)
    assert moved.exit_code == 0, moved.output
    assert "~ player_activity@2:sessions: changed in computation: expression\n" in moved.stdout
    assert "player_activity@2:play_minutes" not in moved.stdout
    assert "player_day: its text only\n" in moved.stdout
    assert run(project, "--strict", "--format", "markdown").exit_code == 1

    skill = models / "player_mode_skill.yml"
    skill.write_text(skill.read_text().replace('"decimal(10,2)"', "double"))
    broken = run(project, "--json")
    assert broken.exit_code == 1
    assert '"breaking": true' in broken.stdout


def test_compares_with_what_was_synced(arcade: Arcade) -> None:
    """As built by dbt; nobody ever says --save."""
    assert arcade.fsync("online").exit_code == 0
    assert arcade.fsync("plan").stdout == "no feature changed\n"

    models = arcade.path / "models" / "features" / "player"
    activity, skill = models / "player_activity_v2.sql", models / "player_mode_skill.sql"
    activity.write_text(activity.read_text().replace("    sessions,\n", "    sessions + 1 as sessions,\n"))
    skill.write_text("-- per mode\n" + skill.read_text())
    run_dbt(arcade.path, "run", "--select", "player_activity", "player_mode_skill")
    changed = arcade.fsync("plan").stdout
    assert changed.splitlines()[:2] == [
        "~ player_activity@2:sessions: changed in computation: expression",
        "  player_mode_skill: its text only",
    ]
    assert "fsync online --select player_activity@2" in changed

    # The other version is another view; and a run that only looks changes nothing.
    for arguments in (["--select", "player_activity@1"], ["--dry-run"]):
        assert arcade.fsync("online", *arguments).exit_code == 0
    assert "~ player_activity@2:sessions" in arcade.fsync("plan").stdout
    assert arcade.fsync("online", "--select", "player_activity").exit_code == 0
    run_dbt(arcade.path, "run", "--select", "player_activity")
    assert arcade.fsync("plan").stdout.splitlines()[-1] == "no feature changed"


def state_file(arcade: Arcade) -> State:
    return read_state(arcade.path / "target" / "fsync")


def test_a_sync_leaves_alone_what_it_did_not_sync(arcade: Arcade) -> None:
    assert arcade.fsync("online").exit_code == 0
    first = state_file(arcade)
    assert set(first.views) == set(arcade.store().registry.views)
    for name in ("player_day", "offline_only", "player_activity.v1"):
        with arcade.node(name) as node:
            node["raw_code"] = f"select * from ({node['raw_code']}) as q where 1 < 2 limit 1000"
            node["checksum"]["checksum"] = name
    assert arcade.fsync("online", "--select", "player_activity@1").exit_code == 0
    some = state_file(arcade)
    changed = {name for name, view in some.views.items() if view != first.views[name]}
    assert changed == {"offline_only", "player_activity@1"}

    with arcade.manifest() as manifest:
        del manifest["nodes"]["model.arcade.player_day"]
    assert arcade.fsync("online", "--select", "player_activity@1").exit_code == 0
    assert "player_day" in state_file(arcade).views
    assert arcade.fsync("online").exit_code == 0
    assert "player_day" not in state_file(arcade).views


def test_a_view_that_fails_is_as_it_was_synced(arcade: Arcade) -> None:
    assert arcade.fsync("online").exit_code == 0
    first = state_file(arcade)
    with arcade.node("player_day") as node:
        node["raw_code"] += " limit 1000"
    with arcade.node("player_activity.v2") as node:
        node["raw_code"] += " limit 1000"
    arcade.execute("drop table player_day")
    assert arcade.fsync("online").exit_code == 1
    now = state_file(arcade)
    assert now.views["player_day"] == first.views["player_day"]
    assert now.views["player_activity@2"] != first.views["player_activity@2"]
