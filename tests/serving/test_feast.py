"""Feast's own SDK, from an environment of its own, with `online_store: type: remote` pointed at this server.

Made by: python -m venv target/bench/feast && target/bench/feast/bin/pip install 'feast==0.67.*'
"""

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import Online, Serve

FEAST = Path(__file__).parents[2] / "target" / "bench" / "feast" / "bin" / "python"
SCRIPT = """
import json, sys
from datetime import timedelta
from pathlib import Path
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.types import Bool, Float64, Int64, String
from feast.value_type import ValueType

repository, url = Path(sys.argv[1]), sys.argv[2]
(repository / "feature_store.yaml").write_text(
    "project: arcade\\nprovider: local\\nregistry: registry.db\\nentity_key_serialization_version: 3\\n"
    f"online_store: {{type: remote, path: {url}}}\\n"
)
player = Entity(name="player", join_keys=["player_id"], value_type=ValueType.STRING)
mode = Entity(name="mode", join_keys=["mode"], value_type=ValueType.STRING)
source = FileSource(path=str(repository / "none.parquet"), timestamp_field="event_timestamp")
skill = FeatureView(name="player_skill", entities=[player], ttl=timedelta(days=30), source=source, schema=[
    Field(name="skill", dtype=Float64), Field(name="tier", dtype=String), Field(name="payer", dtype=Bool),
])
wins = FeatureView(name="player_mode", entities=[player, mode], source=source, schema=[
    Field(name="wins", dtype=Int64),
])
store = FeatureStore(repo_path=str(repository))
# Into the registry alone: there is no store of Feast's to set up.
for entity in (player, mode):
    store.registry.apply_entity(entity, "arcade")
for view in (skill, wins):
    store.registry.apply_feature_view(view, "arcade")
game = FeatureService(name="game", features=[skill[["skill", "tier"]]])
store.registry.apply_feature_service(game, "arcade")

def ask(features, rows, **options):
    answer = store.get_online_features(features, rows, **options)
    statuses = {name: [int(s) for s in column.statuses]
                for name, column in zip(answer.proto.metadata.feature_names.val, answer.proto.results)}
    return {"values": answer.to_dict(), "statuses": statuses}

players = [{"player_id": p} for p in ("p1", "p2", "nobody", "old")]
print(json.dumps({
    "listed": ask(["player_skill:tier", "player_skill:payer", "player_skill:skill"], players),
    "service": ask(store.get_feature_service("game"), players[:1]),
    "full": ask(["player_mode:wins"], [{"player_id": "p1", "mode": "casual"}], full_feature_names=True),
}))
"""

PRESENT, NULL, NOT_FOUND, OUTSIDE_MAX_AGE = 1, 2, 3, 4


@pytest.mark.feast
def test_feasts_own_sdk_reads_from_this_server(online: Online, serve: Serve, tmp_path: Path) -> None:
    if not FEAST.exists():
        pytest.skip(f"no {FEAST}")
    del online
    server = serve()
    run = subprocess.run(
        [FEAST, "-c", SCRIPT, tmp_path, server.url],
        capture_output=True,
        text=True,
        check=False,
        env={"FEAST_USAGE": "False", "IS_TEST": "True", "HOME": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    answers = json.loads(run.stdout.splitlines()[-1])
    listed = answers["listed"]
    assert list(listed["statuses"]) == ["player_id", "tier", "payer", "skill"]
    # `skill` has a default, for whom the view does not know and for whose row is past its ttl.
    assert listed["values"] == {
        "player_id": ["p1", "p2", "nobody", "old"],
        "tier": ["gold", "null", None, None],
        "payer": [True, False, None, None],
        "skill": [0.25, None, 0.5, 0.5],
    }
    assert listed["statuses"]["skill"] == [PRESENT, NULL, NOT_FOUND, OUTSIDE_MAX_AGE]
    assert listed["statuses"]["tier"] == [PRESENT, PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE]
    assert answers["service"]["values"] == {"player_id": ["p1"], "skill": [0.25], "tier": ["gold"]}
    full = answers["full"]["values"]
    assert (full["player_mode__wins"], full["mode"]) == ([7], ["casual"])
