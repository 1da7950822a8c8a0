"""The latest instant of a spine, of whatever type its timestamps are."""

from datetime import UTC, datetime

import pyarrow
from hypothesis import given
from hypothesis import strategies as st

from sync.offline.watch import Watch

TYPES = [
    pyarrow.timestamp("s"),
    pyarrow.timestamp("ms", "UTC"),
    pyarrow.timestamp("us"),
    pyarrow.timestamp("ns", "UTC"),
    pyarrow.date32(),
]
SOON = datetime(2200, 1, 1, tzinfo=UTC)
DAYS = st.one_of(st.none(), st.integers(1, 1000), st.integers(90_000, 100_000))


@given(days=st.lists(DAYS, max_size=6), skip=st.integers(0, 2), kind=st.sampled_from(TYPES))
def test_what_is_to_come_and_what_is_missing(
    days: list[int | None], skip: int, kind: pyarrow.DataType
) -> None:
    column = pyarrow.array(days, pyarrow.int32()).cast(pyarrow.date32()).cast(kind).slice(skip)
    batch = pyarrow.record_batch([column], ["At"])
    watch = Watch("aT")
    assert watch.see(batch) is batch
    seen = days[skip:]
    warnings = watch.warnings(None)
    missing = seen.count(None)
    future = max((day for day in seen if day is not None), default=0)
    expected = []
    if missing:
        rows = "1 row" if missing == 1 else f"{missing} rows"
        expected.append(f"{rows} of the spine without a timestamp: no features there")
    if future > 80_000:
        day = datetime.fromtimestamp(future * 86_400, UTC)
        expected.append(
            f"the spine reaches into the future ({day:%Y-%m-%dT00:00:00Z}): "
            "what is known there may still change"
        )
    assert warnings == expected


def test_as_of_a_past_instant_the_future_is_no_matter() -> None:
    watch = Watch("at")
    watch.see(pyarrow.record_batch([pyarrow.array([SOON], pyarrow.timestamp("us", "UTC"))], ["at"]))
    assert watch.warnings(1) == []
    assert len(watch.warnings(None)) == 1
