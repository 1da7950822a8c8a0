{{ config(materialized='view') }}
{{ fsync.trailing_windows('tiles', ['player_id'], {
    'plays_2d': {'sum': 'plays', 'window': '2d'},
    'max_3d': {'max': 'best', 'window': '3d'},
    'first_2d': {'first': 'mode', 'by': 'played_at', 'window': '2d'},
    'tiles_2d': {'tiles': true, 'window': '2d'},
    'modes_3d': {'count_distinct': 'mode', 'window': '3d'}
}, until='(select until from watermark)') }}
