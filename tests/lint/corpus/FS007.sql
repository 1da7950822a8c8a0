Cases of event timestamps before their inputs.

--- wrong: the start of the day
select player_id,
    date_trunc('day', event_at) as event_timestamp, -- !
    count(*) as events
from events
group by all

--- wrong: a cast to a date
select player_id,
    event_at::date as event_timestamp, -- !
    count(*) as events
from events
group by all

--- wrong: min of the inputs' times
select player_id,
    min(event_at) as event_timestamp, -- !
    count(*) as events
from events
group by player_id

--- wrong: moved back
select player_id,
    event_at - interval 1 hour as event_timestamp, -- !
    amount
from events

--- wrong: a tile that is added too short
select player_id,
    date_trunc('week', event_at) + interval 1 day as event_timestamp, -- !
    count(*) as events
from events
group by all

--- wrong: through CTEs that rename
with days as (
    select player_id, date_trunc('day', event_at) as day, count(*) as n -- !
    from events group by all
),
named as (select player_id, day as starts, n from days)
select player_id, starts as event_timestamp, n from named

--- wrong: the time of the row before
select player_id,
    lag(event_at) over (partition by player_id order by event_at, event_id) as event_timestamp, -- !
    amount
from events

--- wrong: one branch of a union
select player_id, event_at as event_timestamp, amount from events
union all
select player_id,
    date_trunc('hour', event_at), -- !
    amount
from events

--- wrong: BigQuery @bigquery
select player_id,
    timestamp_trunc(event_at, day) as event_timestamp, -- !
    count(*) as events
from events
group by 1, 2

--- right: the end of the day
select player_id, date_trunc('day', event_at) + interval 1 day as event_timestamp, count(*) as events from events group by all

--- right: the end of the day in seconds, through a CTE
with days as (select player_id, date_trunc('day', event_at) as day, count(*) as n from events group by all)
select player_id, day + interval 86400 seconds as event_timestamp, n from days

--- right: when it was known
select player_id, greatest(date_trunc('day', event_at), ingested_at) as event_timestamp, amount from events

--- right: max of the inputs' times
select player_id, max(event_at) as event_timestamp, count(*) as events from events group by player_id

--- right: a window that a filter holds back
with tiles as (select player_id, date_trunc('day', event_at) as day, ingested_at as entered_at, amount from events)
select player_id, day + interval 7 hour as event_timestamp, amount from tiles where entered_at < day + interval 7 hour

--- right: BigQuery's end of the day @bigquery
select player_id, timestamp_add(timestamp_trunc(event_at, day), interval 1 day) as event_timestamp, count(*) as n
from events group by 1, 2

--- right: truncated, but not as the event timestamp
select player_id, event_at as event_timestamp, date_trunc('day', event_at) as day from events
