Cases of aggregates over all history.

--- wrong: joined back by the key
with totals as (select player_id, sum(amount) as spent from events group by player_id)
select e.player_id, e.event_at as event_timestamp, totals.spent
from events as e
join totals on totals.player_id = e.player_id -- !

--- wrong: joined back through another CTE
with totals as (select player_id, sum(amount) as spent from events group by player_id),
renamed as (select player_id as who, spent * 2 as twice from totals)
select e.player_id, e.event_at as event_timestamp, renamed.twice
from events as e
left join renamed on renamed.who = e.player_id -- !

--- wrong: a global mean, cross joined
select e.player_id, e.event_at as event_timestamp, e.amount - stats.mean as above
from events as e
cross join (select avg(amount) as mean from events) as stats -- !

--- wrong: a global mean as a subquery
select player_id, event_at as event_timestamp,
    amount - (select avg(amount) from events) as above -- !
from events

--- wrong: stamped with a literal
select player_id,
    timestamp '2026-01-01' as event_timestamp, -- !
    sum(amount) as spent
from events
group by player_id

--- wrong: stamped with any of its times
select player_id,
    any_value(event_at) as event_timestamp, -- !
    count(*) as events
from events
group by player_id

--- wrong: grouped by the key and its name
with totals as (select player_id, event_name, count(*) as n from events group by 1, 2)
select e.player_id, e.event_at as event_timestamp, totals.n
from events as e
join totals on totals.player_id = e.player_id and totals.event_name = e.event_name -- !

--- right: a running sum
select player_id, event_at as event_timestamp, sum(amount) over (partition by player_id order by event_at) as spent from events

--- right: grouped by the time too
select player_id, event_at as event_timestamp, sum(amount) as spent from events group by player_id, event_at

--- right: stamped with the inputs' max
select player_id, max(event_at) as event_timestamp, sum(amount) as spent from events group by player_id

--- right: a watermark as a bound
select player_id, event_at as event_timestamp, amount from events
where event_at <= (select max(ingested_at) from events)

--- right: daily tiles
with days as (select player_id, date_trunc('day', event_at) as day, sum(amount) as spent from events group by all)
select d.player_id, d.day + interval 1 day as event_timestamp, d.spent from days as d

--- right: an aggregate of a table without times
with sizes as (select country, count(*) as players from countries group by country)
select e.player_id, e.event_at as event_timestamp, sizes.players
from events as e
join countries on countries.player_id = e.player_id
join sizes on sizes.country = countries.country

--- right: an aggregate of each row's own past
select e.player_id, e.event_at as event_timestamp,
    (select sum(p.amount) from events as p where p.player_id = e.player_id and p.event_at <= e.event_at) as spent
from events as e

--- right: joined with its own last time as the bound
with totals as (select player_id, sum(amount) as spent, max(event_at) as complete_at from events group by player_id)
select s.player_id, s.event_at as event_timestamp, totals.spent
from events as s
join totals on totals.player_id = s.player_id and totals.complete_at <= s.event_at
