{{ config(cluster_by=['player_id', 'game_mode'] if target.type == 'bigquery' else none) }}

with windows as (

    {{ trailing_windows(
        tiles=ref('int_player_mode_days'),
        keys=['player_id', 'game_mode'],
        until=watermark(),
        features={
            'mode_matches_total': {'sum': 'matches'},
            'mode_matches_last_30d': {'sum': 'matches', 'window': '30d'},
            'mode_win_rate_last_30d': {'avg': 'matches_won', 'per': 'matches', 'window': '30d'},
            'mode_best_score': {'max': 'max_score'}
        }
    ) | indent(4) }}

)

select
    player_id,
    game_mode,
    event_timestamp,
    created_timestamp,
    mode_matches_total,
    mode_matches_last_30d,
    mode_win_rate_last_30d,
    mode_best_score
from windows
