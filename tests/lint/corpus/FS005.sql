Cases of labels upstream.

--- wrong: a training model
select player_id, event_timestamp, churned
from labels -- !

--- wrong: a training model in a subquery
select e.player_id, e.event_at as event_timestamp
from events as e
where e.player_id in (
    select player_id from labels) -- !

--- wrong: a label as a feature
select player_id, event_at as event_timestamp,
    churned as gone -- !
from outcomes

--- wrong: a label through a CTE that renames
with o as (select player_id, event_at as at, churned as c from outcomes),
p as (select player_id, at, case when c then 1 else 0 end as x from o)
select player_id, at as event_timestamp,
    sum(x) over (partition by player_id order by at) as n -- !
from p

--- wrong: a label chooses the rows @upstream
select player_id, event_at, level
from outcomes
where not churned -- !

--- wrong: a star
select *, event_at as event_timestamp from outcomes

--- right: the other columns of a model with a label
select player_id, event_at as event_timestamp, level from outcomes

--- right: a label that is left behind
with o as (select * from outcomes)
select player_id, event_at as event_timestamp, level from o

--- right: a label passed on for a training set @upstream
select * from outcomes

--- right: a training set may have labels @training
select player_id, event_timestamp, churned from labels where churned

--- right: a column of the same name elsewhere
select e.player_id, e.event_at as event_timestamp, e.churned from (select *, 1 as churned from events) as e
