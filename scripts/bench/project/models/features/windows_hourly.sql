{{ fsync.trailing_windows('(select player_id, tile_start, available_at, created_timestamp, plays from hourly_tiles)', ['player_id'], {
    'plays_1d': {'sum': 'plays', 'window': '1d'},
    'plays_7d': {'sum': 'plays', 'window': '7d'},
    'plays_30d': {'sum': 'plays', 'window': '30d'}
}, until="timestamp '2100-01-01'", tile='1h') }}
