{{ config(materialized='view') }}
{{ fsync.trailing_windows('tiles', ['player_id', 'region'], {
    'max_2d': {'max': 'best', 'window': '2d'},
    'min_3d': {'min': 'best', 'window': '3d'},
    'max_total': {'max': 'best'},
    'casual_max_2d': {'max': 'best', 'where': "mode = 'casual'", 'window': '2d'},
    'last_2d': {'last': 'mode', 'by': 'played_at', 'window': '2d'},
    'first_2d': {'first': 'mode', 'by': 'played_at', 'window': '2d'},
    'last_tile_3d': {'last': 'best', 'window': '3d'},
    'last_total': {'last': 'mode', 'by': 'played_at'},
    'first_total': {'first': 'best'},
    'modes_2d': {'count_distinct': 'mode', 'window': '2d'},
    'modes_total': {'count_distinct': 'mode'}
}, until='(select until from watermark)') }}
