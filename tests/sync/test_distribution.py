"""How a column is spread over two tables, against a count by hand."""

import random
from collections import Counter
from math import ceil, isfinite, log
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.registry.types import ScalarType
from sync.warehouse.distribution import CATEGORIES, Bin, Distributions, Shift, population_stability_index
from sync.warehouse.duckdb import DuckDBWarehouse

NUMBERS = (
    st.none() | st.integers(-3, 30).map(lambda n: n / 4) | st.sampled_from([float("inf"), float("-inf")])
)
WORDS = st.none() | st.sampled_from(["", "NULL", "other", "it's", "é", *map(str, range(30))])


def shift(data_type: ScalarType, before: list[Any], after: list[Any]) -> Shift:
    column = "double" if data_type == "float" else "varchar"
    with duckdb.connect() as connection:
        for table, values in (("before", before), ("after", after)):
            connection.execute(f'create table {table} ("a {{b}}" {column})')
            connection.executemany(f"insert into {table} values (?)", [[v] for v in values] or [[None]])
            if not values:
                connection.execute(f"delete from {table}")
        return Distributions(DuckDBWarehouse(connection), "duckdb", "before", "after").shift(
            "a {b}", data_type
        )


def psi(before: list[Any], after: list[Any]) -> float:
    total = 0.0
    for bin_ in {*before, *after}:
        p, q = (max(values.count(bin_) / len(values) if values else 0, 1e-4) for values in (before, after))
        total += (q - p) * log(q / p)
    return total


@settings(max_examples=60)
@given(st.lists(NUMBERS, min_size=1, max_size=30), st.lists(NUMBERS, max_size=30))
def test_numbers_by_the_deciles_before(before: list[float | None], after: list[float | None]) -> None:
    found = shift("float", before, after)
    given_ = sorted(value for value in before if value is not None)
    deciles = {given_[ceil(n * len(given_) / 10) - 1] for n in range(1, 10)} if given_ else set()
    edges = sorted(edge for edge in deciles if isfinite(edge))

    def binned(values: list[float | None]) -> list[int]:
        return [-1 if value is None else sum(value > edge for edge in edges) for value in values]

    assert found.psi == pytest.approx(psi(binned(before), binned(after)))
    assert [(one.before, one.after) for one in found.bins] == [
        (
            pytest.approx(binned(before).count(n) / len(before)),
            pytest.approx(binned(after).count(n) / (len(after) or 1)),
        )
        for n in sorted({*binned(before), *binned(after)})
    ]
    assert found.rows == (len(before), len(after))
    assert found.nulls == pytest.approx(
        (before.count(None) / len(before), after.count(None) / (len(after) or 1))
    )


@settings(max_examples=60)
@given(st.lists(WORDS, min_size=1, max_size=60), st.lists(WORDS, max_size=60))
def test_all_else_by_the_commonest_values_before(before: list[str | None], after: list[str | None]) -> None:
    found = shift("string", before, after)
    counts = Counter(value for value in before if value is not None)
    top = sorted(counts, key=lambda value: (-counts[value], value.encode()))[:CATEGORIES]

    def binned(values: list[str | None]) -> list[Any]:
        return [None if value is None else value if value in top else ... for value in values]

    assert found.psi == pytest.approx(psi(binned(before), binned(after)))
    assert found.means == (None, None)
    assert {one.name for one in found.bins} >= set(top)


def test_bins_have_names_and_the_one_that_moved_most_is_told() -> None:
    found = shift("float", [0.0] * 6 + [1.0, 2.5, None, None], [0.0, 2.5, 2.5, 9.0])
    assert found.bins == [
        Bin("NULL", 0.2, 0.0),
        Bin("≤ 0", 0.6, 0.25),
        Bin("(0, 1]", 0.1, 0.0),
        Bin("(1, 2.5]", 0.1, 0.5),
        Bin("> 2.5", 0.0, 0.25),
    ]
    assert found.moved == Bin("(1, 2.5]", 0.1, 0.5)
    assert found.means == (0.4375, 3.5)
    assert shift("float", [None], [1.0]).bins == [Bin("NULL", 1.0, 0.0), Bin("any", 0.0, 1.0)]


def test_null_takes_no_place_among_the_commonest() -> None:
    words = [f"{n:02}" for n in range(CATEGORIES)]
    found = shift("string", [None] * 5 + words * 2 + ["rare"], ["rare"])
    assert {one.name for one in found.bins} == {*words, "NULL", "other"}


@pytest.mark.parametrize(("bins", "quantile"), [(2, 10.828), (5, 18.467), (11, 29.588), (21, 45.315)])
def test_the_noise_is_chi_squared(bins: int, quantile: float) -> None:
    """Quantiles for 0.999 from the table in NIST's Engineering Statistics Handbook, 1.3.6.7.4."""
    found = Shift((100, 400), (0, 0), (None, None), 0.0, [Bin("", 0.1, 0.1)] * bins)
    assert found.noise == pytest.approx(quantile * (1 / 100 + 1 / 400), rel=0.035)
    assert found._replace(rows=(0, 400)).noise == 0


def test_samples_of_one_population_seldom_exceed_the_noise() -> None:
    draw = random.Random(7)

    def sample(size: int) -> dict[str, float]:
        counts = Counter(str(draw.randrange(10)) for _ in range(size))
        return {name: count / size for name, count in counts.items()}

    noise = Shift((500, 300), (0, 0), (None, None), 0.0, [Bin("", 0.1, 0.1)] * 10).noise
    indexes = sorted(population_stability_index(sample(500), sample(300)) for _ in range(2000))
    assert indexes[-20] < noise < 2 * indexes[-1]
