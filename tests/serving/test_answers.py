from hypothesis import given
from hypothesis import strategies as st

from sync.instants import END, to_text
from sync.serving.answers import event_texts

UNITS = st.sampled_from([1, 1000, 1_000_000, 86_400_000_000])
ROUND = UNITS.flatmap(lambda unit: st.integers(0, (END - 1) // unit).map(lambda count: count * unit))

# Of one hour, in years where a float holds no microseconds.
LATE = st.integers(2**33 * 10**6, END - 10**10).flatmap(
    lambda start: st.lists(st.integers(start, start + 3600 * 10**6), min_size=50)
)


@given(st.lists(ROUND | st.integers(0, END - 1)) | LATE)
def test_the_texts_of_events_are_those_of_each(events: list[int]) -> None:
    expected = ",".join(f'"{to_text(event)}"' for event in events)
    assert event_texts([b"%016d" % event for event in events]).decode() == expected
