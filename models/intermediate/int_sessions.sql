-- One row per closed state of a session. A session closes after its timeout; an event that arrives later makes a new
-- state of it, which carries the one it replaces so that sums can be put right by adding.
with batches as (

    select
        player_id,
        session_id,
        ingested_at,
        min(event_at) as first_event_at,
        max(event_at) as last_event_at,
        count(*) as events
    from {{ ref('stg_events') }}
    where session_id is not null
        {% if is_incremental() %}
        -- A session spans two UTC days at most.
        and event_day >= {{ before(day_of(since()), (var('late_data_days') + 2) ~ 'd') }}
        {% endif %}
    group by player_id, session_id, ingested_at

),

states as (

    select
        player_id,
        session_id,
        ingested_at,
        min(first_event_at) over so_far as started_at,
        max(last_event_at) over so_far as ended_at,
        sum(events) over so_far as events,
        -- fsync: allow FS002 because it counts only where it lies before available_at, when the row is known
        lead(ingested_at) over (partition by player_id, session_id order by ingested_at) as next_ingested_at
    from batches
    window so_far as (
        partition by player_id, session_id
        order by ingested_at
        rows between unbounded preceding and current row
    )

),

timed as (

    select
        *,
        greatest(ingested_at, {{ after('ended_at', var('session_timeout_minutes') ~ 'm') }}) as available_at,
        cast(floor(({{ micros('ended_at') }} - {{ micros('started_at') }}) / 1000000) as {{ dbt.type_bigint() }}) as duration_seconds
    from states

),

-- A state that grew before it closed was never a closed session.
closed as (

    select *
    from timed
    where next_ingested_at is null or next_ingested_at > available_at

),

chained as (

    select
        player_id,
        session_id,
        started_at,
        ended_at,
        cast(events as {{ dbt.type_bigint() }}) as events,
        duration_seconds,
        lag(started_at) over by_session as replaced_started_at,
        cast(lag(events) over by_session as {{ dbt.type_bigint() }}) as replaced_events,
        lag(duration_seconds) over by_session as replaced_duration_seconds,
        available_at,
        ingested_at as created_timestamp
    from closed
    window by_session as (partition by player_id, session_id order by available_at, ingested_at)

)

select *
from chained
where available_at <= {{ watermark() }}
    {% if is_incremental() %}
    and available_at > {{ since() }}
    {% endif %}
