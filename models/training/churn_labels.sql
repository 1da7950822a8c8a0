-- The spine: each player who played in the week before a Monday, and whether no event followed for the churn
-- period. A label needs its whole period to be over, so the last Mondays have none yet.
with active_weeks as (

    select distinct
        player_id,
        {{ after(week_of('event_at'), '7d') }} as event_timestamp
    from {{ ref('stg_events') }}

),

next_events as (

    select
        active_weeks.player_id,
        active_weeks.event_timestamp,
        max(case when events.event_day is not null then 1 else 0 end) as returned
    from active_weeks
    left join (
        select distinct
            player_id,
            event_day
        from {{ ref('stg_events') }}
    ) as events
        on active_weeks.player_id = events.player_id
            and events.event_day >= active_weeks.event_timestamp
            and events.event_day < {{ after('active_weeks.event_timestamp', var('churn_days') ~ 'd') }}
    where {{ after('active_weeks.event_timestamp', var('churn_days') ~ 'd') }} <= {{ watermark() }}
    group by active_weeks.player_id, active_weeks.event_timestamp

)

select
    player_id,
    event_timestamp,
    returned = 0 as churned
from next_events
