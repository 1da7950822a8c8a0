Cases of personal data in features.

--- wrong: as it stands
select player_id, event_at as event_timestamp,
    email -- !
from people

--- wrong: a part of it, through a CTE that renames
with p as (select player_id, event_at as at, email as address from people)
select player_id, at as event_timestamp,
    split_part(address, '@', 2) as provider -- !
from p

--- wrong: an aggregate
select player_id, max(event_at) as event_timestamp,
    count(distinct email) as addresses -- !
from people group by player_id

--- wrong: in one branch of a union
select player_id, event_at as event_timestamp,
    email as name -- !
from people
union all
select player_id, event_timestamp, 'nobody' from labels

--- wrong: behind a star
select *, event_at as event_timestamp from people -- !

--- wrong: in a filter inside an aggregate
select player_id, event_at as event_timestamp,
    count(case when email like '%@example.com' then 1 end) over ( -- !
        partition by player_id order by event_at
    ) as ours
from people

--- wrong: on BigQuery @bigquery
select player_id, event_at as event_timestamp,
    to_hex(sha256(email)) as pseudonym -- !
from people

--- right: the YAML says what it is
select player_id, event_at as event_timestamp, email as declared from people

--- right: the other columns
select player_id, event_at as event_timestamp, level from people

--- right: a join key
select email as player_id, event_at as event_timestamp, level from people

--- right: it chooses the rows
select player_id, event_at as event_timestamp, level from people where email is not null

--- right: it groups a window
select player_id, event_at as event_timestamp,
    count(*) over (partition by email order by event_at) as n
from people

--- right: a column that is no feature
select player_id, event_at as event_timestamp, email as unserved, level from people

--- right: on its way to a feature @upstream
select player_id, event_at, email from people

--- right: a column of the same name elsewhere
select player_id, event_at as event_timestamp, email from (select *, 'none' as email from events)
