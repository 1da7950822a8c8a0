with windows as (

    {{ trailing_windows(
        tiles=ref('int_player_engagement_days'),
        keys=['player_id'],
        until=watermark(),
        features={
            'days_active': {'tiles': true},
            'levels_completed': {'sum': 'levels_completed'},
            'achievements_unlocked': {'sum': 'achievements_unlocked'},
            'avg_level_reached': {'avg': 'completed_levels_sum', 'per': 'levels_completed'},
            'max_level_reached': {'max': 'max_level'},
            'engagement_ms': {'sum': 'engagement_ms'},
            'features_explored': {'sum': 'features_explored'}
        }
    ) | indent(4) }}

)

select
    player_id,
    event_timestamp,
    created_timestamp,
    days_active,
    levels_completed,
    achievements_unlocked,
    avg_level_reached,
    max_level_reached,
    cast(floor(engagement_ms / 1000) as {{ dbt.type_bigint() }}) as total_playtime,
    features_explored
from windows
