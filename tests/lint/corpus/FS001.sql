Cases of the wall clock.

--- wrong: now in a projection
select
    player_id,
    event_at as event_timestamp,
    date_diff('day', event_at, now()) as age -- !
from events

--- wrong: current_date in a filter
select player_id, event_at as event_timestamp
from events
where event_at < current_date -- !

--- wrong: current_timestamp without parentheses as the stamp
select
    player_id,
    current_timestamp as event_timestamp -- !
from events

--- wrong: today in a CTE of a model upstream @upstream
with recent as (
    select * from events
    where event_at > today() - interval 7 day -- !
)
select player_id, count(*) as events from recent group by player_id

--- wrong: get_current_timestamp
select player_id, event_at as event_timestamp,
    get_current_timestamp() as built_at -- !
from events

--- wrong: BigQuery's current_datetime @bigquery
select player_id, event_at as event_timestamp,
    current_datetime() as built_at -- !
from events

--- wrong: localtimestamp in a subquery
select player_id, event_at as event_timestamp
from events
where event_at < (select localtimestamp) -- !

--- wrong: the run's start in Jinja
select player_id, event_at as event_timestamp
from events
where event_at < '{{ run_started_at }}' -- !

--- wrong: a clock of Jinja
{% set since = modules.datetime.datetime.utcnow() %}
select player_id, event_at as event_timestamp from events

--- right: a string that says now()
select player_id, event_at as event_timestamp, 'now()' as word from events where event_name <> 'today()'

--- right: a comment that says now()
-- never now(), never current_timestamp
select player_id, event_at as event_timestamp /* today() */ from events

--- right: a column called now, and a quoted one
select player_id, event_at as event_timestamp, e.now, e."current_date" from (select *, 1 as now, 2 as "current_date" from events) as e

--- right: the watermark of the data
select player_id, event_at as event_timestamp from events where event_at <= (select max(ingested_at) from events)

--- right: a model that feeds no feature @other
select player_id, now() as seen from events

--- right: run_started_at in a comment of Jinja
{# not run_started_at #}
select player_id, event_at as event_timestamp from events
