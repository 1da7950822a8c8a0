-- Daily tiles of sessions, each in the UTC day it started on. A replaced state is taken out again.
with entries as (

    select
        player_id,
        {{ day_of('started_at') }} as tile_start,
        available_at,
        created_timestamp,
        1 as sign,
        duration_seconds,
        events
    from {{ ref('int_sessions') }}
    {% if is_incremental() %}
    where available_at > {{ before(since(), '1d') }}
    {% endif %}

    union all

    select
        player_id,
        {{ day_of('replaced_started_at') }} as tile_start,
        available_at,
        created_timestamp,
        -1 as sign,
        replaced_duration_seconds as duration_seconds,
        replaced_events as events
    from {{ ref('int_sessions') }}
    where replaced_started_at is not null
        {% if is_incremental() %}
        and available_at > {{ before(since(), '1d') }}
        {% endif %}

),

timed as (

    select
        player_id,
        tile_start,
        greatest({{ after('tile_start', '1d') }}, available_at) as available_at,
        created_timestamp,
        sign,
        duration_seconds,
        events
    from entries

)

select
    player_id,
    tile_start,
    available_at,
    max(created_timestamp) as created_timestamp,
    sum(sign) as sessions,
    sum(sign * duration_seconds) as duration_seconds,
    sum(sign * duration_seconds * duration_seconds) as duration_seconds_squared,
    sum(sign * events) as session_events,
    -- States only grow, so a replaced one never holds the maximum.
    max(case when sign = 1 then duration_seconds end) as longest_session_seconds
from timed
where available_at <= {{ watermark() }}
    {% if is_incremental() %}
    and available_at > {{ since() }}
    {% endif %}
group by player_id, tile_start, available_at
