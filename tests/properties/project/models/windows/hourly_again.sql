{{ config(materialized='incremental') }}
{{ fsync.trailing_windows('tiles', ['player_id'], {
    'plays_1h': {'sum': 'plays', 'window': '1h'},
    'max_3h': {'max': 'best', 'window': '3h'},
    'last_1d': {'last': 'mode', 'by': 'played_at', 'window': '1d'},
    'modes_3h': {'count_distinct': 'mode', 'window': '3h'}
}, until='(select until from watermark)', tile='1h') }}
