Cases of random values.

--- wrong: random
select player_id, event_at as event_timestamp,
    random() < 0.5 as in_test -- !
from events

--- wrong: a UUID
select player_id, event_at as event_timestamp,
    gen_random_uuid() as row_id -- !
from events

--- wrong: uuid in a CTE of a model upstream @upstream
with named as (select *,
    uuid() as id -- !
    from events)
select * from named

--- wrong: a sample
select player_id, event_at as event_timestamp
from events using sample 10 percent

--- wrong: BigQuery's functions @bigquery
select player_id, event_at as event_timestamp,
    rand() as dice, -- !
    generate_uuid() as id -- !
from events

--- wrong: random in the order
select player_id, event_at as event_timestamp
from events
qualify row_number() over (partition by player_id order by random()) = 1 -- !

--- right: a hash of the key
select player_id, event_at as event_timestamp, hash(player_id) % 2 = 0 as in_test from events

--- right: a string that says random()
select player_id, event_at as event_timestamp, 'random()' as word from events

--- right: a comment that says uuid()
-- no uuid() here
select player_id, event_at as event_timestamp from events

--- right: a column called random
select player_id, event_at as event_timestamp, e.random, e.sample from (select *, 1 as random, 2 as sample from events) as e

--- right: a model that feeds no feature @other
select random() as dice
