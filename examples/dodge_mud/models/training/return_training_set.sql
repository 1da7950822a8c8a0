{{ fsync.point_in_time_join(
    spine=ref('return_labels'),
    features=[
        'player_plays:plays_total',
        'player_plays:plays_last_7d',
        'player_plays:best_score',
        'player_plays:avg_score',
        'player_plays:last_score',
        'player_plays:is_shared_device'
    ]
) }}
