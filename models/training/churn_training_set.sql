{{ point_in_time_join(
    spine=ref('churn_labels'),
    features=[
        'player_sessions:sessions_last_7d',
        'player_sessions:avg_session_duration',
        'player_engagement:days_active_last_30d',
        'player_engagement:max_level_reached',
        'player_engagement:churn_risk_score',
        'player_monetization:revenue_last_30d',
        'player_monetization:player_tier',
        'player_social:social_engagement_score',
        'player_progression:player_skill_level',
        'player_progression:preferred_game_mode'
    ]
) }}
