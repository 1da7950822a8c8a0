{{ config(materialized='incremental') }}
{{ fsync.trailing_windows('tiles', ['player_id'], {
    'plays_2d': {'sum': 'plays', 'window': '2d'},
    'plays_3d': {'count': 'plays', 'window': '3d'},
    'plays_total': {'sum': 'plays'},
    'casual_2d': {'sum': 'plays', 'where': "mode = 'casual'", 'window': '2d'},
    'mean_3d': {'avg': 'score', 'per': 'plays', 'window': '3d'},
    'spread_2d': {'std': 'score', 'squares': 'squares', 'per': 'plays', 'window': '2d'},
    'tiles_2d': {'tiles': true, 'window': '2d'},
    'tiles_total': {'tiles': true},
    'casual_tiles_3d': {'tiles': true, 'where': "mode = 'casual'", 'window': '3d'}
}, until='(select until from watermark)') }}
