with windows as (

    {{ trailing_windows(
        tiles=ref('int_player_days'),
        keys=['player_id'],
        until=watermark(),
        features={
            'level': {'max': 'max_level'},
            'score': {'max': 'max_score'},
            'levels_completed_last_30d': {'sum': 'levels_completed', 'window': '30d'},
            'levels_failed_last_30d': {'sum': 'levels_failed', 'window': '30d'},
            'matches_last_30d': {'sum': 'matches', 'window': '30d'},
            'matches_won_last_30d': {'sum': 'matches_won', 'window': '30d'},
            'competitive_last_30d': {'sum': 'competitive_matches', 'window': '30d'},
            'casual_last_30d': {'sum': 'casual_matches', 'window': '30d'},
            'social_last_30d': {'sum': 'social_matches', 'window': '30d'}
        }
    ) | indent(4) }}

)

select
    player_id,
    event_timestamp,
    created_timestamp,
    level,
    score,
    levels_completed_last_30d,
    matches_last_30d,
    -- Share of levels and matches won, drawn towards a half by ten imagined tries, so that two lucky matches are no master.
    (levels_completed_last_30d + matches_won_last_30d + 5.0)
    / (levels_completed_last_30d + levels_failed_last_30d + matches_last_30d + 10.0) as player_skill_level,
    case
        when competitive_last_30d + casual_last_30d + social_last_30d = 0 then null
        when competitive_last_30d >= casual_last_30d and competitive_last_30d >= social_last_30d then 'competitive'
        when casual_last_30d >= social_last_30d then 'casual'
        else 'social'
    end as preferred_game_mode
from windows
