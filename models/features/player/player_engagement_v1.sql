with tiles as (

    select
        player_id,
        tile_start,
        available_at,
        created_timestamp,
        engagement_ms,
        levels_completed,
        completed_levels_sum,
        max_level,
        achievements_unlocked,
        0 as features_explored
    from {{ ref('int_player_days') }}

    union all

    select
        player_id,
        tile_start,
        available_at,
        created_timestamp,
        0 as engagement_ms,
        0 as levels_completed,
        0 as completed_levels_sum,
        null as max_level,
        0 as achievements_unlocked,
        features_explored
    from {{ ref('int_player_first_uses') }}

),

windows as (

    {{ trailing_windows(
        tiles='tiles',
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
