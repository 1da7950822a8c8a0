"""The check of BigQuery's SQL: what must be refused, what must pass."""

import pytest

from tests.properties import googlesql


@pytest.mark.parametrize(
    "sql",
    [
        "select a::string from t",
        "select a from t asof left join u on t.a >= u.a",
        "select * exclude (a) from t",
        "select sum(a) filter (where a > 0) from t",
        "select arg_max(a, b) from t",
        "select list_filter(a, x -> x > 1) from t",
        "select epoch_us(a) from t",
        "select make_timestamp(a) from t",
        "select row(a, b) > row(c, d) from t",
        "select cast(a as varchar) from t",
        "select cast(a as double) from t",
        "select cast(a as timestamptz) from t",
        "select cast(a as hugeint) from t",
        "select timestamp_add(a, interval 7 days) from t",
        "select a + interval '7 days' from t",
        "select sum(a) over (order by b range between interval 7 day preceding and current row) from t",
        "select a[1] from t",
        "select a % 2 from t",
        "select a // 2 from t",
        "select a * 10000000000000000000 from t",
        "select array_agg(a order by b) over (partition by c) from t",
        "select count(distinct a) over (order by b) from t",
        "select a from t where a ilike 'x'",
        "select stddev(a) from t",
        "select date_part('day', a) from t",
        "select struct_pack(a := 1) from t",
    ],
)
def test_refuses(sql: str) -> None:
    assert googlesql.violations(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select max_by(a, b), count(distinct case when a > 0 then b end) from `p`.`d`.`t` group by c",
        "select last_value(s ignore nulls) over (order by b rows between 1 preceding and current row) from t",
        "select (select v from unnest(live) where v > 1 order by v desc limit 1) from t",
        "select array_agg(struct(a, b)) over w from t window w as (partition by c order by d)",
        "select sum(a) over (order by unix_micros(b) range between 9 preceding and current row) from t",
        "select a from t where true qualify row_number() over (partition by a order by b) = 1",
        "select timestamp_sub(a, interval 7 day), cast(b as float64), `filter`.x from t as `filter`",
        "select array_agg(a order by b desc limit 1)[offset(0)] from t group by c",
    ],
)
def test_accepts(sql: str) -> None:
    assert googlesql.violations(sql) == []
