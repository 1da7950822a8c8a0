select
    player_id,
    available_at as event_timestamp,
    created_timestamp,
    session_duration_minutes,
    events_last_5min / 5.0 as activity_rate_per_minute,
    cast(action_diversity_5min as {{ dbt.type_bigint() }}) as action_diversity_5min,
    current_level,
    current_score,
    -- Levels an hour, with six minutes as the shortest session to divide by.
    levels_in_session / greatest(session_duration_minutes / 60, 0.1) as progression_velocity,
    events_in_session,
    engagement_ms_today / 3600000.0 as playtime_hours_today
from {{ ref('int_player_activity') }}
{% if is_incremental() %}
where available_at > {{ since('event_timestamp') }}
{% endif %}
