{{ fsync.trailing_windows_at('spine', 'events', ['player_id'], {
    'plays_1d': {'sum': 'plays', 'window': '1d'},
    'plays_7d': {'sum': 'plays', 'window': '7d'},
    'plays_30d': {'sum': 'plays', 'window': '30d'}
}) }}
