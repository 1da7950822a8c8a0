Cases of joins that look features up.

--- wrong: on keys only @training
select l.player_id, l.event_timestamp, l.churned, f.sessions_7d
from labels as l
left join player_sessions as f on l.player_id = f.player_id -- !

--- wrong: using @training
select *
from labels
join player_sessions -- !
    using (player_id)

--- wrong: a lower bound only @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f -- !
    on l.player_id = f.player_id and f.event_timestamp >= l.event_timestamp - interval 30 day

--- wrong: a bound or true @training
select t.player_id, s.event_timestamp, t.sessions_7d
from labels as s
join player_sessions as t -- !
    on t.player_id = s.player_id and (t.event_timestamp <= s.event_timestamp or true)

--- wrong: a bound or another key @training
select t.player_id, s.event_timestamp, t.sessions_7d
from labels as s
join player_sessions as t -- !
    on t.player_id = s.player_id and (t.event_timestamp <= s.event_timestamp or s.churned)

--- wrong: through CTEs that rename @training
with f as (select player_id as who, event_timestamp as seen_at, sessions_7d as n from player_sessions),
g as (select who as gamer, seen_at as ts, n from f where n > 0)
select l.player_id, l.event_timestamp, g.n
from labels as l
join g on g.gamer = l.player_id -- !

--- wrong: from a comma and a where @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l, player_sessions as f -- !
where l.player_id = f.player_id

--- wrong: the newest row of each key @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join (
    select player_id, sessions_7d from player_sessions -- !
    qualify row_number() over (partition by player_id order by event_timestamp desc) = 1
) as f on l.player_id = f.player_id

--- wrong: the aggregate of each key @training
with best as (select player_id, max(score) as score from player_sessions group by player_id)
select l.player_id, l.event_timestamp, best.score
from labels as l
left join best -- !
    on best.player_id = l.player_id

--- wrong: a correlated subquery @training
select l.player_id, l.event_timestamp,
    (select max(f.score) from player_sessions as f where f.player_id = l.player_id) as score -- !
from labels as l

--- wrong: beyond the instant by a day @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f -- !
    on l.player_id = f.player_id and f.event_timestamp <= l.event_timestamp + interval 1 day

--- wrong: beyond the instant in between @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f -- !
    on l.player_id = f.player_id
        and f.event_timestamp between l.event_timestamp - interval 7 day and l.event_timestamp + interval 7 day

--- wrong: beyond the instant by a shift of the feature @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f -- !
    on l.player_id = f.player_id and f.event_timestamp - interval 1 hour <= l.event_timestamp

--- wrong: an asof join that looks forward @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
asof join player_sessions as f -- !
    on l.player_id = f.player_id and l.event_timestamp <= f.event_timestamp

--- wrong: a lateral subquery @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
left join lateral (
    select s.sessions_7d from player_sessions as s -- !
    where s.player_id = l.player_id
    order by s.event_timestamp desc limit 1
) as f on true

--- wrong: another model with an event time @upstream
select l.player_id, l.event_timestamp, p.amount
from player_sessions as l
join purchases as p on p.player_id = l.player_id -- !

--- wrong: BigQuery @training @bigquery
select l.player_id, l.event_timestamp, f.sessions_7d
from `labels` as l
left join `player_sessions` as f -- !
    on l.player_id = f.player_id and f.event_timestamp <= timestamp_add(l.event_timestamp, interval 1 day)

--- wrong: a spine from a table that is not known @training
with spine as (select user_id as player_id, clicked_at as event_timestamp from clicks)
select spine.player_id, spine.event_timestamp, f.sessions_7d
from spine
left join player_sessions as f -- !
    on f.player_id = spine.player_id

--- wrong: a spine whose time has another name @training
select e.player_id, e.event_at as event_timestamp, e.amount > 10 as won, f.sessions_7d
from events as e
left join player_sessions as f -- !
    on e.player_id = f.player_id

--- right: a feature view's rows with the day of something else
select f.player_id, f.event_timestamp, f.sessions_7d, o.event_at as outcome_at
from player_sessions as f
left join outcomes as o on o.player_id = f.player_id and o.event_at <= f.event_timestamp

--- right: bounded in on @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
left join player_sessions as f on l.player_id = f.player_id and f.event_timestamp <= l.event_timestamp

--- right: bounded in where, the other way round @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l, player_sessions as f
where l.player_id = f.player_id and l.event_timestamp >= f.event_timestamp

--- right: between @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f
    on l.player_id = f.player_id and f.event_timestamp between l.event_timestamp - interval 30 day and l.event_timestamp

--- right: between, of the spine @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f
    on l.player_id = f.player_id and l.event_timestamp between f.event_timestamp and f.event_timestamp + interval 30 day

--- right: not later @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f on l.player_id = f.player_id and not (f.event_timestamp > l.event_timestamp)

--- right: bounded or absent @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
left join player_sessions as f on l.player_id = f.player_id
where f.event_timestamp <= l.event_timestamp or f.event_timestamp is null

--- right: bounded through CTEs that rename @training
with f as (select player_id as who, event_timestamp as seen_at, sessions_7d as n from player_sessions),
g as (select who as gamer, seen_at as ts, n from f)
select l.player_id, l.event_timestamp, g.n
from labels as l
join g on g.gamer = l.player_id and g.ts <= l.event_timestamp

--- right: bounded further up @training
with joined as (
    select l.player_id, l.event_timestamp as at, f.event_timestamp as seen_at, f.sessions_7d
    from labels as l
    join player_sessions as f using (player_id)
)
select player_id, at as event_timestamp, sessions_7d
from joined
where seen_at <= at

--- right: an asof join @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
asof left join player_sessions as f on l.player_id = f.player_id and l.event_timestamp >= f.event_timestamp

--- right: an asof join with using @training
select labels.player_id, labels.event_timestamp, f.sessions_7d
from labels
asof join player_sessions as f using (player_id, event_timestamp)

--- right: last_value over a union @training
with timeline as (
    select player_id, event_timestamp as at, true as is_spine, null as n from labels
    union all
    select player_id, event_timestamp, false, sessions_7d from player_sessions
),
filled as (
    select *, last_value(n ignore nulls) over (
        partition by player_id order by at, is_spine rows between unbounded preceding and current row
    ) as found
    from timeline
)
select player_id, at as event_timestamp, found as sessions_7d from filled where is_spine

--- right: a lateral subquery with its bound @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
left join lateral (
    select s.sessions_7d from player_sessions as s
    where s.player_id = l.player_id and s.event_timestamp <= l.event_timestamp
    order by s.event_timestamp desc limit 1
) as f on true

--- right: a correlated subquery with its bound @training
select l.player_id, l.event_timestamp,
    (select max(f.score) from player_sessions as f where f.player_id = l.player_id and f.event_timestamp <= l.event_timestamp) as score
from labels as l

--- right: each value in a case with the bound @training
select l.player_id, l.event_timestamp, max(case when f.event_timestamp <= l.event_timestamp then f.score end) as score
from labels as l
left join player_sessions as f on f.player_id = l.player_id
group by l.player_id, l.event_timestamp

--- right: a dimension without times
select f.player_id, f.event_timestamp, c.country
from player_sessions as f
left join countries as c on c.player_id = f.player_id

--- right: at the same instant
select f.player_id, f.event_timestamp, g.score
from player_sessions as f
join player_sessions as g on f.player_id = g.player_id and f.event_timestamp = g.event_timestamp

--- right: in microseconds @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f on l.player_id = f.player_id and epoch_us(f.event_timestamp) <= epoch_us(l.event_timestamp)

--- right: strictly before, an hour of margin @training
select l.player_id, l.event_timestamp, f.sessions_7d
from labels as l
join player_sessions as f on l.player_id = f.player_id and f.event_timestamp + interval 1 hour < l.event_timestamp

--- right: a label of what came after @training
select l.player_id, l.event_timestamp, count(p.amount) > 0 as bought
from labels as l
left join purchases as p on p.player_id = l.player_id
    and p.event_timestamp > l.event_timestamp and p.event_timestamp <= l.event_timestamp + interval 14 day
group by l.player_id, l.event_timestamp
