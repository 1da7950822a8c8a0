with windows as (

    {{ trailing_windows(
        tiles=ref('int_player_session_days'),
        keys=['player_id'],
        until=watermark(),
        features={
            'sessions_total': {'sum': 'sessions'},
            'sessions_last_7d': {'sum': 'sessions', 'window': '7d'},
            'sessions_last_30d': {'sum': 'sessions', 'window': '30d'},
            'avg_session_duration': {'avg': 'duration_seconds', 'per': 'sessions'},
            'session_duration_std': {'std': 'duration_seconds', 'squares': 'duration_seconds_squared', 'per': 'sessions'},
            'max_session_duration': {'max': 'longest_session_seconds'},
            'avg_events_per_session': {'avg': 'session_events', 'per': 'sessions'},
            'playtime_per_session': {'avg': 'duration_seconds', 'per': 'sessions', 'window': '30d'}
        }
    ) | indent(4) }}

)

select
    player_id,
    event_timestamp,
    created_timestamp,
    sessions_total,
    sessions_last_7d,
    sessions_last_30d,
    avg_session_duration,
    session_duration_std,
    max_session_duration,
    avg_events_per_session,
    playtime_per_session / 60 as playtime_per_session
from windows
