"""How a column's values are spread over two relations of a warehouse, and how far apart that is."""

from collections.abc import Mapping
from math import isfinite, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from sync.errors import FsyncError
from sync.registry.types import NUMERIC, ScalarType
from sync.warehouse.warehouse import Warehouse

# An empty bin counts as this share, so that the index stays finite.
SMALLEST_SHARE = 1e-4
CATEGORIES = 20
# Below it an index says that a population is the same.
STABLE = 0.1
# How seldom chance alone may exceed `noise`.
CHANCE = 0.001


class Dialect(NamedTuple):
    double: str
    text: str
    # Nine deciles of {}, as an array; BigQuery's are approximate, and come with least and greatest.
    deciles: str


DIALECTS = {
    "duckdb": Dialect(
        "double", "varchar", "quantile_disc({}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])"
    ),
    "bigquery": Dialect("float64", "string", "approx_quantiles({}, 10)"),
}


class Bin(NamedTuple):
    """Shares of the rows before and after."""

    name: str
    before: float
    after: float


class Shift(NamedTuple):
    """Of a column before and after. `psi`: the population stability index over `bins`, NULL being one."""

    rows: tuple[int, int]
    nulls: tuple[float, float]
    means: tuple[float | None, float | None]
    psi: float
    bins: list[Bin]

    @property
    def noise(self) -> float:
        """What the index of two samples of one population exceeds once in a thousand times.

        It is distributed as (1/n + 1/m) times chi-squared with one degree of freedom less than there are bins
        (Yurdakul, Statistical Properties of Population Stability Index, 2018). The quantile of chi-squared is
        by Wilson and Hilferty (1931).
        """
        degrees = len(self.bins) - 1
        if degrees < 1 or not all(self.rows):
            return 0.0
        spread = 2 / (9 * degrees)
        quantile = degrees * (1 - spread + NormalDist().inv_cdf(1 - CHANCE) * sqrt(spread)) ** 3
        return quantile * (1 / self.rows[0] + 1 / self.rows[1])

    @property
    def moved(self) -> Bin | None:
        """The bin whose share changed most."""
        return max(self.bins, key=lambda one: abs(one.after - one.before), default=None)


def population_stability_index(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Sum over bins of (q - p) ln(q / p), p and q the shares before and after.

    After Siddiqi, Credit Risk Scorecards (2006): below 0.1 a population is stable, above 0.25 it is another.
    """
    total = 0.0
    for bin_ in {*before, *after}:
        p, q = max(before.get(bin_, 0.0), SMALLEST_SHARE), max(after.get(bin_, 0.0), SMALLEST_SHARE)
        total += (q - p) * log(q / p)
    return total


class Distributions:
    """Two relations, by the bins of the first: deciles of its numbers, its commonest values."""

    def __init__(self, warehouse: Warehouse, adapter: str, before: str, after: str) -> None:
        if adapter not in DIALECTS:
            raise FsyncError(f"fsync syncs from {adapter}, but compares builds on DuckDB and BigQuery only")
        self._warehouse, self._dialect = warehouse, DIALECTS[adapter]
        self._relations = (before, after)

    def shift(self, column: str, data_type: ScalarType) -> Shift:
        quoted = self._warehouse.quote(column)
        numbers = data_type in NUMERIC
        mean = f"avg(cast({quoted} as {self._dialect.double}))" if numbers else "null"
        counted = [
            self._warehouse.row(f"select count(*), count({quoted}), {mean} from {relation}")
            for relation in self._relations
        ]
        nulls = [1 - found / rows if rows else 0.0 for rows, found, _ in counted]
        means = [None if mean is None else float(mean) for _, _, mean in counted]
        edges = self._deciles(quoted) if numbers else []
        before, after = (
            self._shares(self._by_decile(quoted, edges, r) if numbers else self._by_value(quoted, r))
            for r in self._relations
        )
        labels = sorted(
            {*before, *after}, key=lambda one: (int(one) if numbers else -before.get(one, 0), one)
        )
        return Shift(
            (counted[0][0], counted[1][0]),
            (nulls[0], nulls[1]),
            (means[0], means[1]),
            population_stability_index(before, after),
            [
                Bin(
                    _interval(edges, int(label)) if numbers else label.removeprefix("="),
                    before.get(label, 0.0),
                    after.get(label, 0.0),
                )
                for label in labels
            ],
        )

    def _deciles(self, column: str) -> list[float]:
        number = f"cast({column} as {self._dialect.double})"
        (found,) = self._warehouse.row(
            f"select {self._dialect.deciles.format(number)} from {self._relations[0]}"
        )
        return sorted({float(edge) for edge in found or [] if edge is not None and isfinite(edge)})

    def _by_decile(self, column: str, edges: list[float], relation: str) -> str:
        number = f"cast({column} as {self._dialect.double})"
        cases = "".join(f"when {number} <= {edge!r} then {n} " for n, edge in enumerate(edges))
        return (
            f"select case when {number} is null then -1 {cases}else {len(edges)} end as bin from {relation}"
        )

    def _by_value(self, column: str, relation: str) -> str:
        """One bin for each of the values that are commonest before, and one for all others."""
        text = f"cast({column} as {self._dialect.text})"
        return f"""
select case when v.v is null then 'NULL' when top.v is null then 'other' else concat('=', top.v) end as bin
from (select {text} as v from {relation}) as v
left join (
    select {text} as v, count(*) as n from {self._relations[0]}
    where {column} is not null
    group by 1 order by n desc, v limit {CATEGORIES}
) as top on v.v = top.v"""

    def _shares(self, binned: str) -> dict[str, float]:
        counts: dict[str, int] = {}
        with self._warehouse.arrow(f"select bin, count(*) as n from ({binned}) as b group by 1") as reader:
            for batch in reader:
                counts |= {str(row["bin"]): row["n"] for row in batch.to_pylist()}
        total = sum(counts.values())
        return {label: count / total for label, count in counts.items()}


def _interval(edges: list[float], number: int) -> str:
    if number < 0:
        return "NULL"
    if not edges:
        return "any"
    if number == 0:
        return f"≤ {edges[0]:.6g}"
    if number == len(edges):
        return f"> {edges[-1]:.6g}"
    return f"({edges[number - 1]:.6g}, {edges[number]:.6g}]"
