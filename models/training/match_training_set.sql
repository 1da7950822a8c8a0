{{ point_in_time_join(
    spine=ref('match_outcomes'),
    features=[
        'player_mode:mode_matches_last_30d',
        'player_mode:mode_win_rate_last_30d',
        'player_progression:player_skill_level',
        'player_engagement:total_playtime'
    ]
) }}
