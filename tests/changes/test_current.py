"""The state of the project is made once for each set of definitions, also where there is none."""

from pathlib import Path

import msgspec
import pytest

from sync.changes.current import Kept, current_state
from sync.changes.state import read_state
from sync.errors import FsyncError
from tests.conftest import Arcade


def test_definitions_without_a_state_are_looked_at_once(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = arcade.store()
    sound = current_state(store.project, store.target)
    with arcade.node("player_activity.v2") as node:
        node["columns"]["ghost"] = {"name": "ghost", "data_type": "bigint"}
    for _ in range(2):
        with pytest.raises(FsyncError, match="player_activity@2: the YAML lists ghost"):
            current_state(store.project, store.target)
        # From here on it is told from what was kept.
        monkeypatch.setattr("sync.registry.compiled.decode_project", None)
    kept = msgspec.json.decode((arcade.path / "target" / "fsync" / "current.json").read_bytes(), type=Kept)
    assert kept.state is None
    monkeypatch.undo()
    with arcade.node("player_activity.v2") as node:
        del node["columns"]["ghost"]
    assert current_state(store.project, store.target) == sound


@pytest.mark.parametrize("content", [b"{", b'{"project": "\xff"}'])
def test_a_damaged_state_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fsync_state.json").write_bytes(content)
    with pytest.raises(FsyncError, match="is not a state that `fsync plan --save` wrote"):
        read_state(tmp_path)
