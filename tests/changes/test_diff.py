"""`fsync diff` against a comparison row by row, over random tables."""

from collections import Counter
from datetime import datetime, timedelta
from math import log
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.changes.diff import Side, diff_views
from sync.changes.diff_report import as_json, as_markdown
from sync.errors import FsyncError
from sync.registry.views import Feature, FeatureView, JoinKey
from sync.warehouse.distribution import population_stability_index
from sync.warehouse.duckdb import DuckDBWarehouse

START = datetime(2026, 3, 1)
CREATED = (None, START, START + timedelta(hours=1))


def view(relation: str, *features: Feature, key: str = "player_id") -> FeatureView:
    return FeatureView(
        name="activity",
        version=None,
        latest=True,
        entities=("player",),
        join_keys=(JoinKey(key, "string"), JoinKey("mode", "string")),
        features=features or (Feature("score", "float"), Feature("tier", "string")),
        event_timestamp="event_at",
        created_timestamp="known",
        ttl=None,
        online=True,
        description="",
        owner=None,
        deprecation_date=None,
        relation=relation,
        model=f"model.test.{relation}",
        checksum="",
    )


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def fill(connection: duckdb.DuckDBPyConnection, name: str, rows: list[tuple[Any, ...]]) -> None:
    connection.execute(
        f"create or replace table {name} "
        "(player_id varchar, mode varchar, event_at timestamp, known timestamp, score double, tier varchar)"
    )
    for row in rows:
        connection.execute(f"insert into {name} values (?, ?, ?, ?, ?, ?)", row)


row = st.tuples(
    st.sampled_from(["1", "12", None]),
    st.sampled_from(["23", "3"]),
    st.integers(0, 2).map(lambda hours: START + timedelta(hours=hours)),
    st.sampled_from(CREATED),
    st.sampled_from([None, 0.0, 1.0, 1.25, 7.5]),
    st.sampled_from([None, "gold", "it's", "free"]),
)


def identity(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (row[0], row[1], row[2], row[3] or row[2])


tables = st.lists(row, max_size=14, unique_by=identity)


def same(left: Any, right: Any, tolerance: float) -> bool:
    if tolerance and left is not None and right is not None and not isinstance(left, str):
        return abs(left - right) <= tolerance
    return bool(left == right)


@pytest.mark.parametrize("tolerance", [0.0, 0.5])
def test_equals_a_comparison_row_by_row(tolerance: float, connection: duckdb.DuckDBPyConnection) -> None:
    @settings(max_examples=40)
    @given(tables, tables)
    def check(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> None:
        fill(connection, "before", before)
        fill(connection, "after", after)
        found = diff_views(
            DuckDBWarehouse(connection),
            "duckdb",
            Side("before", view("before")),
            Side("after", view("after")),
            tolerance=tolerance,
            examples=99,
        )
        # Rows without a key are nobody's: they are never the same.
        old = {identity(r): r for r in before if None not in r[:2]}
        new = {identity(r): r for r in after if None not in r[:2]}
        both = [key for key in old if key in new]
        changed = {
            name: sum(not same(old[key][n], new[key][n], tolerance) for key in both)
            for n, name in ((4, "score"), (5, "tier"))
        }
        modified = sum(any(not same(old[key][n], new[key][n], tolerance) for n in (4, 5)) for key in both)
        assert {name: feature.changed for name, feature in found.features.items()} == changed
        assert (found.identical, found.modified) == (len(both) - modified, modified)
        assert (found.added, found.removed) == (len(after) - len(both), len(before) - len(both))
        kinds = Counter(example.kind for example in found.examples)
        assert kinds == +Counter(added=found.added, removed=found.removed, modified=modified)
        assert found.differs == (modified + found.added + found.removed > 0)
        for number, rows in enumerate((before, after)):
            share = sum(r[5] is None for r in rows) / len(rows) if rows else 0.0
            assert found.features["tier"].shift.nulls[number] == pytest.approx(share)
        assert "fsync diff" in as_markdown(found)
        assert as_json(found)["modified"] == modified

    check()


def test_distributions(connection: duckdb.DuckDBPyConnection) -> None:
    at = [START + timedelta(minutes=n) for n in range(100)]
    fill(
        connection,
        "before",
        [("1", "3", at[n], None, float(n), "gold" if n < 50 else "free") for n in range(100)],
    )
    fill(
        connection,
        "after",
        [("1", "3", at[n], None, float(n + 50), "gold" if n < 50 else "free") for n in range(100)],
    )
    found = diff_views(
        DuckDBWarehouse(connection), "duckdb", Side("before", view("before")), Side("after", view("after"))
    )
    assert found.features["score"].shift.means == (49.5, 99.5)
    # Of ten deciles the lower five are empty, and half of all is above the highest.
    high = (0.6 - 0.1) * log(0.6 / 0.1) + 5 * (1e-4 - 0.1) * log(1e-4 / 0.1)
    assert found.features["score"].shift.psi == pytest.approx(high, rel=0.15)
    assert found.features["tier"].shift.psi == 0
    assert [example.kind for example in found.examples] == ["modified"] * 5
    assert found.examples[0].values == {"score": (0.0, 50.0)}


def test_the_index_is_nothing_for_equal_shares_and_symmetric() -> None:
    assert population_stability_index({"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5}) == 0
    one, other = {"a": 0.9, "b": 0.1}, {"a": 0.4, "b": 0.6}
    assert population_stability_index(one, other) == pytest.approx(population_stability_index(other, one))
    assert population_stability_index(one, other) == pytest.approx(0.5 * log(0.9 / 0.4) + 0.5 * log(6))


def test_what_cannot_be_compared_is_told(connection: duckdb.DuckDBPyConnection) -> None:
    twice = ("1", "3", START, None, 1.0, "gold")
    fill(connection, "before", [twice, twice])
    fill(connection, "after", [twice])
    warehouse = DuckDBWarehouse(connection)
    with pytest.raises(FsyncError, match="before has 1 times several rows of one entity and instant"):
        diff_views(warehouse, "duckdb", Side("before", view("before")), Side("after", view("after")))
    with pytest.raises(FsyncError, match="have different join keys: player_id string, mode string and mode"):
        diff_views(
            warehouse, "duckdb", Side("before", view("before")), Side("after", view("after", key="mode"))
        )
    with pytest.raises(FsyncError, match="is not in the warehouse"):
        diff_views(warehouse, "duckdb", Side("before", view("gone")), Side("after", view("after")))


def test_features_of_one_side_only_are_told(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection, "before", [("1", "3", START, None, 1.0, "gold")])
    fill(connection, "after", [("1", "3", START, None, 1.0, "free")])
    found = diff_views(
        DuckDBWarehouse(connection),
        "duckdb",
        Side("before", view("before", Feature("score", "float"))),
        Side("after", view("after", Feature("tier", "string"))),
    )
    assert (found.features_removed, found.features_added) == (["score"], ["tier"])
    assert (found.identical, found.modified, found.differs) == (1, 0, True)
