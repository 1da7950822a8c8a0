"""The lineage of our own features: against an experiment, and against what stands in Redis."""

import json
from collections import Counter
from collections.abc import Callable

import duckdb
import redis

from sync import FeatureStore
from sync.lineage.graph import Column
from sync.lineage.report import redis_key
from sync.registry.compiled import CompiledNode, decode_project
from sync.registry.manifest import ManifestFile
from sync.registry.rendered import ModelRenderer
from tests.project.conftest import ROOT

DATABASE = "scratch"
SNAPSHOT = (
    "'1' as dbt_scd_id, timestamp '2026-05-20' as dbt_updated_at, timestamp '2026-05-20' as dbt_valid_from"
)


class Scratch:
    """The whole project in memory, from a seed of which one column may hold the values of other rows."""

    def __init__(self, store: FeatureStore) -> None:
        manifest = ManifestFile(store.project.target_path / "manifest.json")
        compiled = decode_project(manifest, store.target)
        renderer = ModelRenderer(manifest.tree, store.project, store.target)
        (seed,) = (node for node in compiled.manifest.nodes.values() if node.resource_type == "seed")
        self._seed = str(seed.relation_name)
        self._views = store.views()
        self._models = [
            (str(node.relation_name), self._sql(node, renderer.sql(manifest.tree["nodes"][name])))
            for name, node in compiled.models.items()
        ]
        self._database = duckdb.connect()
        self._database.execute("set TimeZone = 'UTC'")
        database = self._seed.split(".")[0]
        self._database.execute(f"attach ':memory:' as {database}; use {database}")
        self._database.execute(f"create table given as from read_csv('{ROOT / seed.original_file_path}')")
        self.columns = [str(name) for name, *_ in self._database.execute("describe given").fetchall()]

    @staticmethod
    def _sql(node: CompiledNode, sql: str | None) -> str:
        assert sql is not None
        if node.resource_type != "snapshot":
            return sql
        return f"select *, {SNAPSHOT}, null::timestamp as dbt_valid_to from ({sql})"

    def features(self, moved: str = "") -> "dict[str, Counter[str]]":
        """The values of each feature, in all rows."""
        given = (f"lead({n}, 7) over (order by rowid) as {n}" if n == moved else n for n in self.columns)
        tables = [(self._seed, f"select {', '.join(given)} from given"), *self._models]
        for relation, sql in tables:
            self._database.execute(f"create or replace table {relation} as {sql}")
        return {
            f"{view.reference}:{feature.name}": self._values(view.relation, feature.name)
            for view in self._views
            for feature in view.features
        }

    def _values(self, relation: str, column: str) -> "Counter[str]":
        return Counter(
            str(v) for (v,) in self._database.execute(f"select {column} from {relation}").fetchall()
        )


def test_what_moves_with_a_column_is_what_is_made_of_it(store: FeatureStore) -> None:
    lineage, scratch = store.lineage(), Scratch(store)
    assert lineage.unread == {}
    before = scratch.features()

    features = lineage.select(None)

    def made_of(column: str, sources: Callable[[Column], list[Column]]) -> set[str]:
        named = f"firebase_events.{column}"
        return {lineage.name(one) for one in features if named in map(lineage.name, sources(one))}

    for column in scratch.columns:
        after = scratch.features(column)
        moved = {name for name in before if before[name] != after[name]}
        values, rows = made_of(column, lineage.sources), made_of(column, lineage.row_sources)
        assert values <= moved <= values | rows, column


def test_its_keys_are_those_in_redis(store: FeatureStore, redis_url: str) -> None:
    store.sync(as_of="2026-06-12T13:45:00Z")
    lineage = store.lineage()
    with redis.Redis.from_url(redis_url) as client:
        assert client.hlen("fsync:{fsync/player_sessions}:rows") > 0
        for view in store.views():
            key = redis_key(lineage, lineage.find(f"{view.reference}:{view.features[0].name}"))
            assert (key is not None) == view.online
            if key:
                features = json.loads(client.hget(key.replace(":rows", ":meta"), "features"))
                assert [one["name"] for one in features] == [one.name for one in view.features]
