with windows as (

    {{ trailing_windows(
        tiles=ref('int_player_engagement_days'),
        keys=['player_id'],
        until=watermark(),
        features={
            'days_active': {'tiles': true},
            'days_active_last_7d': {'tiles': true, 'window': '7d'},
            'days_active_last_30d': {'tiles': true, 'window': '30d'},
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
    days_active_last_7d,
    days_active_last_30d,
    levels_completed,
    achievements_unlocked,
    avg_level_reached,
    max_level_reached,
    engagement_ms / 3600000.0 as total_playtime,
    features_explored,
    -- Hand-set logistic weights, not a trained model: 30 days of silence gives 0.92, a player of every day 0.02.
    1 / (1 + exp(0.45 * days_active_last_7d + 0.1 * days_active_last_30d - 2.5)) as churn_probability,
    -- How far the last week fell below the month's own weekly pace: 0 at pace or above, 1 for a silent week.
    case
        when days_active_last_30d = 0 then 1.0
        else greatest(0, 1 - (days_active_last_7d / 7.0) / (days_active_last_30d / 30.0))
    end as churn_risk_score
from windows
