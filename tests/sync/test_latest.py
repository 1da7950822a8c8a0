"""The row that goes online, against a brute-force reading of the rule."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import FsyncError
from sync.engine import Engine
from sync.instants import DAY, from_datetime
from sync.online.render import Renderer
from sync.registry.views import Feature, FeatureView, JoinKey
from sync.warehouse.duckdb import DuckDBWarehouse
from sync.warehouse.latest import Counts, Latest

VIEW = FeatureView(
    name="v",
    version=None,
    latest=True,
    entities=("player",),
    join_keys=(JoinKey("player id", "string"),),
    features=(Feature("x", "integer"),),
    event_timestamp="event at",
    created_timestamp="created at",
    ttl=2 * DAY,
    online=True,
    description="",
    owner=None,
    deprecation_date=None,
    relation='"rows"',
    model="model.p.v",
    checksum="",
)
START = datetime(2024, 3, 1)
HOURS = st.integers(0, 96)
AS_OF = START + timedelta(hours=72)


def newest(connection: duckdb.DuckDBPyConnection, view: FeatureView, as_of: datetime) -> dict[str, Any]:
    warehouse = DuckDBWarehouse(connection)
    (sql,) = queries(connection, view, as_of)
    with warehouse.arrow(sql) as batches, Engine() as engine, Renderer(view, engine) as renderer:
        renderer.keep(batches)
        frames = b"".join(bytes(rows) for frame in renderer.kept() for _, rows in frame.parts(100))
    names = [feature.name for feature in view.features]
    return {
        key: dict(zip(names, msgspec.json.decode(value[32:]), strict=True)) for key, value in parse(frames)
    }


def queries(connection: duckdb.DuckDBPyConnection, view: FeatureView, as_of: datetime) -> list[str]:
    warehouse = DuckDBWarehouse(connection)
    latest = Latest(view, warehouse, from_datetime(as_of))
    return latest.queries(Counts(*warehouse.row(latest.counts())))


def parse(frames: bytes) -> list[tuple[str, bytes]]:
    strings = []
    while frames:
        length, _, rest = frames.partition(b"\r\n")
        size = int(length[1:])
        strings.append(rest[:size])
        frames = rest[size + 2 :]
    return [(key.decode(), value) for key, value in zip(strings[::2], strings[1::2], strict=True)]


def table(
    rows: list[tuple[Any, ...]], event: str = "timestamp", created: str = "timestamp"
) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(
        f'create table "rows" ("player id" varchar, "event at" {event}, "created at" {created}, x bigint)'
    )
    if rows:
        connection.executemany('insert into "rows" values (?, ?, ?, ?)', rows)
    return connection


ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), HOURS, st.none() | HOURS), max_size=12, unique=True
)


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
def test_the_newest_known_row_within_the_ttl_wins(kind: str) -> None:
    @settings(max_examples=30)
    @given(ROWS)
    def check(drawn: list[tuple[str, int, int | None]]) -> None:
        rows: list[tuple[Any, ...]] = []
        expected: dict[str, tuple[datetime, datetime, int]] = {}
        seen = set()
        for x, (key, event_hours, created_hours) in enumerate(drawn):
            event = START + timedelta(hours=event_hours)
            stored: Any = event.replace(tzinfo=UTC) if kind == "timestamptz" else event
            if kind == "date":
                stored = event.date()
                event = datetime.combine(stored, datetime.min.time()) + timedelta(days=1)
            created = event if created_hours is None else START + timedelta(hours=created_hours)
            if (key, event, created) in seen:
                continue
            seen.add((key, event, created))
            rows.append((key, stored, None if created_hours is None else created, x))
            known = event <= AS_OF and (created_hours is None or created <= AS_OF)
            if known and event >= AS_OF - timedelta(days=2):
                expected[key] = max(expected.get(key, (datetime.min, datetime.min, -1)), (event, created, x))
        with table(rows, event=kind) as connection:
            assert newest(connection, VIEW, AS_OF) == {key: {"x": row[2]} for key, row in expected.items()}

    check()


def test_rows_are_compared_only_where_an_entity_has_several() -> None:
    rows = [("a", START, None, 1), ("b", START, None, 1), ("a", START + timedelta(hours=1), None, 2)]
    with table(rows) as connection:
        (sql,) = queries(connection, VIEW, START)
        assert "group by" not in sql, "the second row of a is not known yet"
        assert newest(connection, VIEW, START) == {"a": {"x": 1}, "b": {"x": 1}}
        (sql,) = queries(connection, VIEW, AS_OF)
        assert "group by" in sql


@pytest.mark.parametrize("history", [1, 3])
def test_many_entities_come_in_parts(monkeypatch: pytest.MonkeyPatch, history: int) -> None:
    monkeypatch.setattr("sync.warehouse.duckdb.ENTITIES_PER_PART", 40)
    rows = [
        (f"p{i}", START + timedelta(hours=hour), None, hour) for i in range(200) for hour in range(history)
    ]
    with table(rows) as connection:
        parts = queries(connection, VIEW, START + timedelta(hours=history))
        assert (len(parts) == 1) == (history == 1)
        found = [row for sql in parts for row in connection.execute(sql).fetchall()]
    assert sorted((row[0], row[-1]) for row in found) == sorted((f"p{i}", history - 1) for i in range(200))


def test_both_bounds_of_the_ttl_are_inclusive() -> None:
    microsecond = timedelta(microseconds=1)
    rows = [
        ("oldest", AS_OF - timedelta(days=2), None, 1),
        ("expired", AS_OF - timedelta(days=2) - microsecond, None, 2),
        ("now", AS_OF, None, 3),
        ("future", AS_OF + microsecond, None, 4),
        ("unknown", AS_OF, AS_OF + microsecond, 5),
    ]
    with table(rows) as connection:
        assert newest(connection, VIEW, AS_OF) == {"oldest": {"x": 1}, "now": {"x": 3}}


def test_a_date_counts_from_the_end_of_its_day() -> None:
    rows = [("a", date(2024, 3, 2), None, 2), ("a", date(2024, 3, 3), None, 3)]
    with table(rows, event="date", created="date") as connection:
        assert newest(connection, VIEW, datetime(2024, 3, 3, 23, 59)) == {"a": {"x": 2}}
        assert newest(connection, VIEW, datetime(2024, 3, 4)) == {"a": {"x": 3}}
        assert newest(connection, VIEW, datetime(2024, 3, 6)) == {"a": {"x": 3}}
        assert newest(connection, VIEW, datetime(2024, 3, 6, 0, 0, 1)) == {}


def test_identical_duplicates_are_one_row() -> None:
    with table([("a", START, None, 1)] * 3) as connection:
        assert newest(connection, VIEW, START) == {"a": {"x": 1}}


def test_different_rows_that_tie_are_refused() -> None:
    rows = [("a", START, START, 1), ("a", START, None, 2), ("b", START, START, 1)]
    with table(rows) as connection, pytest.raises(FsyncError, match="v: key 'a' has 2 different rows"):
        newest(connection, VIEW, START)


def test_a_tie_among_older_rows_does_not_matter() -> None:
    rows = [("a", START, START, 1), ("a", START, START, 2), ("a", START, START + timedelta(hours=1), 3)]
    with table(rows) as connection:
        assert newest(connection, VIEW, START + timedelta(hours=1)) == {"a": {"x": 3}}


@pytest.mark.parametrize("when", [datetime(1969, 12, 31), datetime(1800, 1, 1)])
def test_an_event_before_1970_is_refused(when: datetime) -> None:
    view = msgspec.structs.replace(VIEW, ttl=None)
    with table([("a", when, None, 1)]) as connection, pytest.raises(FsyncError, match="outside 1970 to 2286"):
        newest(connection, view, AS_OF)
