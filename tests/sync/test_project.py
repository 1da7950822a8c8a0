import json
from pathlib import Path

import pytest

from sync import FsyncError
from sync.project import open_project, read_target
from tests.conftest import Arcade


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(FsyncError, match=r"no dbt_project\.yml in .*--project-dir"):
        open_project(tmp_path)


def test_broken_yaml(arcade: Arcade) -> None:
    (arcade.path / "dbt_project.yml").write_text("name: [")
    assert "dbt_project.yml, line" in arcade.fails("online")


def test_the_order_of_profiles(arcade: Arcade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(name: str) -> Path:
        path = tmp_path / name
        path.mkdir(parents=True)
        (path / "profiles.yml").write_text("arcade: {outputs: {default: {type: duckdb, path: x}}}")
        return path

    project = open_project(arcade.path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    home, env, option = folder("home/.dbt"), folder("env"), folder("option")
    assert read_target(project).source == arcade.path / "profiles.yml"
    (arcade.path / "profiles.yml").unlink()
    assert read_target(project).source.parent == home
    monkeypatch.setenv("DBT_PROFILES_DIR", str(env))
    assert read_target(project).source.parent == env
    assert read_target(project, option).source.parent == option
    (option / "profiles.yml").unlink()
    with pytest.raises(FsyncError, match=r"no profiles\.yml in .*option"):
        read_target(project, option)


def test_env_vars(arcade: Arcade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = tmp_path / "elsewhere" / "arcade.duckdb"
    moved.parent.mkdir()
    (arcade.path / "target" / "arcade.duckdb").rename(moved)
    assert "no DuckDB file at" in arcade.fails("online")
    monkeypatch.setenv("ARCADE_DUCKDB_PATH", str(moved))
    assert arcade.fsync("online", "--dry-run").exit_code == 0


@pytest.mark.parametrize(
    ("written", "is_then"),
    [
        ("{{ env_var('PLACE') }}", "{% here"),
        ('{{env_var( "PLACE" , "x" )}}/a', "{% here/a"),
        ("a/{{ env_var('NOWHERE', '') }}{{ env_var('PLACE') }}", "a/{% here"),
        ("{{ env_var('NOWHERE', 'there') | upper }}", "THERE"),
        ("{{ env_var('PLACE') }}{{ 1 + 1 }}", "{% here2"),
        ("{{ env_var('NOWHERE', 'it\\'s') }}\n", "it's"),
        ("{% raw %}{{ env_var('PLACE') }}{% endraw %}", "{{ env_var('PLACE') }}"),
        ("{# {{ env_var('PLACE') }} #}a", "a"),
    ],
)
def test_env_vars_are_what_jinja_makes_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, is_then: str
) -> None:
    monkeypatch.setenv("PLACE", "{% here")
    settings = {"type": "duckdb", "path": written}
    profiles = {"shop": {"target": "dev", "outputs": {"dev": settings}}}
    (tmp_path / "dbt_project.yml").write_text("{name: shop, profile: shop}")
    (tmp_path / "profiles.yml").write_text(json.dumps(profiles))
    assert read_target(open_project(tmp_path), tmp_path).settings["path"] == is_then


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        ("other: {outputs: {}}", "has no profile 'arcade'"),
        ("arcade: {target: prod, outputs: {dev: {type: duckdb}}}", "has no target 'prod'"),
        ("arcade: {}", "profile arcade has no outputs"),
        ("arcade: {target: dev, outputs: {dev: {path: x}}}", "has no `type`"),
        ("arcade: {target: dev, outputs: {dev: {type: duckdb}}}", "is in memory and keeps nothing"),
        (
            "arcade: {target: dev, outputs: {dev: {type: duckdbb}}}",
            "of type 'duckdbb' (did you mean 'duckdb'?); fsync reads duckdb, bigquery,",
        ),
        (
            """arcade: {target: dev, outputs: {dev: {type: duckdb, path: "{{ env_var('NOT_SET') }}"}}}""",
            "needs the environment variable NOT_SET,",
        ),
        ("""arcade: {target: dev, outputs: {dev: {type: duckdb, path: "{{ oops( }}"}}}""", "cannot render"),
        ("- a", "is not a mapping"),
    ],
)
def test_a_mistake_in_profiles(arcade: Arcade, profiles: str, message: str) -> None:
    (arcade.path / "profiles.yml").write_text(profiles)
    assert message in arcade.fails("online")


def test_another_targets_missing_env_var_does_not_matter(arcade: Arcade) -> None:
    profiles = (arcade.path / "profiles.yml").read_text()
    other = """    prod: {type: bigquery, project: "{{ env_var('NOT_SET_AT_ALL') }}"}\n"""
    (arcade.path / "profiles.yml").write_text(profiles.rstrip() + "\n" + other)
    assert arcade.fsync("online", "--dry-run").exit_code == 0
    assert "NOT_SET_AT_ALL" in arcade.fails("online", "--target", "prod")


def test_the_target_path(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", "build")
    assert open_project(arcade.path).target_path == arcade.path / "build"
    monkeypatch.delenv("DBT_TARGET_PATH")
    assert open_project(arcade.path).target_path == arcade.path / "target"
