Cases of values that hang on an arbitrary order.

--- wrong: row_number with ties
select player_id, event_at as event_timestamp, amount
from events
qualify row_number() over (partition by player_id order by event_at) = 1 -- !

--- wrong: row_number without order
select player_id, event_at as event_timestamp,
    row_number() over (partition by player_id) as n -- !
from events

--- wrong: first and last
select player_id, event_at as event_timestamp,
    first(amount) as one, -- !
    last(amount) as other -- !
from events
group by player_id, event_at

--- wrong: any_value
select player_id, event_at as event_timestamp,
    any_value(event_name) as name -- !
from events
group by player_id, event_at

--- wrong: string_agg without order
select player_id, event_at as event_timestamp,
    string_agg(event_name, ',') as names -- !
from events
group by player_id, event_at

--- wrong: array_agg in an order with ties
select player_id, event_at as event_timestamp,
    array_agg(event_name order by amount) as names -- !
from events
group by player_id, event_at

--- wrong: limit without order
select player_id, event_at as event_timestamp from events limit 10 -- !

--- wrong: limit with ties
select player_id, event_at as event_timestamp, amount
from events
order by event_at -- !
limit 10

--- wrong: a frame of rows with ties
select player_id, event_at as event_timestamp,
    sum(amount) over w as spent -- !
from events
window w as (partition by player_id order by event_at rows between 3 preceding and current row)

--- wrong: a key of one side of a join
select e.player_id, e.event_at as event_timestamp, p.amount
from events as e
join purchases as p on p.player_id = e.player_id and p.event_timestamp <= e.event_at
qualify row_number() over (partition by e.player_id order by e.event_id) = 1 -- !

--- right: a key from a dbt test in the order
select player_id, event_at as event_timestamp from events
qualify row_number() over (partition by player_id order by event_at desc, event_id) = 1

--- right: the key of a group by
with days as (select player_id, date_trunc('day', event_at) as day, sum(amount) as n from events group by all)
select player_id, day + interval 1 day as event_timestamp,
    sum(n) over (partition by player_id order by day rows between 6 preceding and current row) as week
from days

--- right: the key of a group by that a CTE renames
with days as (select player_id, event_at as at, sum(amount) as n from events group by player_id, event_at),
named as (select player_id as who, at as instant, n from days where n > 0)
select who as player_id, instant as event_timestamp, lag(n) over (partition by who order by instant) as before from named

--- right: what an earlier row_number left
with one as (
    select * from events
    qualify row_number() over (partition by player_id, event_at order by event_id) = 1
)
select player_id, event_at as event_timestamp, lag(amount) over (partition by player_id order by event_at) as before from one

--- right: array_agg in the order of its values
select player_id, event_at as event_timestamp, array_agg(amount order by amount) as amounts
from events group by player_id, event_at

--- right: string_agg in the order of a key
select player_id, event_at as event_timestamp, string_agg(event_name, ',' order by event_id) as names
from events group by player_id, event_at

--- right: a running range takes ties together
select player_id, event_at as event_timestamp, sum(amount) over (partition by player_id order by event_at) as spent from events

--- right: limit in the order of a key
select player_id, event_at as event_timestamp from events order by event_at, event_id limit 10

--- right: rank is the same for ties
select player_id, event_at as event_timestamp, rank() over (partition by player_id order by amount) as r from events

--- right: a join that finds one row at most
with days as (select player_id, event_at, sum(amount) as n from events group by player_id, event_at)
select e.player_id, e.event_at as event_timestamp, lag(days.n) over (partition by e.player_id order by e.event_id) as before
from events as e
left join days on days.player_id = e.player_id and days.event_at = e.event_at
