Cases of windows that look ahead.

--- wrong: a frame that follows
select player_id, event_at as event_timestamp,
    sum(amount) over (partition by player_id order by event_at rows between 1 preceding and 1 following) as around -- !
from events

--- wrong: an unbounded frame
select player_id, event_at as event_timestamp,
    max(amount) over (partition by player_id order by event_at range between unbounded preceding and UNBOUNDED FOLLOWING) as most -- !
from events

--- wrong: lead
select player_id, event_at as event_timestamp,
    lead(amount) over (partition by player_id order by event_at) as next_amount -- !
from events

--- wrong: lag by a negative offset
select player_id, event_at as event_timestamp,
    lag(amount, -1) over (partition by player_id order by event_at) as next_amount -- !
from events

--- wrong: the whole partition
select player_id, event_at as event_timestamp,
    avg(amount) over (partition by player_id) as mean -- !
from events

--- wrong: over ()
select player_id, event_at as event_timestamp,
    amount / sum(amount) over () as share -- !
from events

--- wrong: a named window
select player_id, event_at as event_timestamp,
    sum(amount) over later as rest -- !
from events
window later as (partition by player_id order by event_at rows between current row and unbounded following)

--- wrong: a window that extends a named one
select player_id, event_at as event_timestamp,
    sum(amount) over (w rows between current row and 3 following) as rest -- !
from events
window w as (partition by player_id order by event_at)

--- wrong: from new to old
select player_id, event_at as event_timestamp,
    sum(amount) over (partition by player_id order by event_at desc) as rest -- !
from events

--- wrong: from new to old through a CTE that renames
with named as (select player_id, event_at as happened, amount from events)
select player_id, happened as event_timestamp,
    first_value(amount) over (partition by player_id order by happened desc) as last_amount -- !
from named

--- wrong: in qualify
select player_id, event_at as event_timestamp
from events
qualify lead(event_at) over (partition by player_id order by event_at) is null -- !

--- right: a running sum
select player_id, event_at as event_timestamp, sum(amount) over (partition by player_id order by event_at) as total from events

--- right: a range up to the row's peers
select player_id, event_at as event_timestamp,
    sum(amount) over (partition by player_id order by event_at range between interval 7 days preceding and current row) as week
from events

--- right: a named window
select player_id, event_at as event_timestamp, sum(amount) over w as total
from events
window w as (partition by player_id order by event_at rows between unbounded preceding and current row)

--- right: row_number from new to old
select player_id, event_at as event_timestamp from events
qualify row_number() over (partition by player_id order by event_at desc, event_id) = 1

--- right: an aggregate over the rows of an instant
select player_id, event_at as event_timestamp, sum(amount) over (partition by player_id, event_at) as at_once from events

--- right: lag
select player_id, event_at as event_timestamp, lag(amount) over (partition by player_id order by event_at) as before from events

--- right: a frame that ends before the row
select player_id, event_at as event_timestamp,
    sum(amount) over (partition by player_id order by event_at rows between 3 preceding and 1 preceding) as before
from events

--- right: a waiver with a reason
select player_id, event_at as event_timestamp,
    -- fsync: allow FS002 because the next row lies in the past of the stamp
    lead(amount) over (partition by player_id order by event_at) as next_amount
from events

--- right: a model that feeds no feature @other
select player_id, lead(event_at) over (partition by player_id order by event_at) as next_at from events
