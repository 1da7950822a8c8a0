-- The spine: each player at the end of their first days, and whether they come back in the days after.
with first_plays as (

    select
        player_id,
        min(played_at) as first_played_at
    from {{ ref('stg_plays') }}
    where player_id is not null
    group by player_id

),

timed as (

    select
        player_id,
        {{ fsync.after('first_played_at', var('observation_days') ~ 'd') }} as event_timestamp
    from first_plays

)

select
    timed.player_id,
    timed.event_timestamp,
    count(plays.play_id) > 0 as returned
from timed
left join {{ ref('stg_plays') }} as plays
    on timed.player_id = plays.player_id
        and plays.played_at > timed.event_timestamp
        and plays.played_at <= {{ fsync.after('timed.event_timestamp', var('return_days') ~ 'd') }}
group by timed.player_id, timed.event_timestamp
