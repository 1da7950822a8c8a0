{#- Each of them is compiled as a whole build and as an incremental run. -#}
{% macro bounded() -%}
{{ fsync.trailing_windows('tiles', ['player_id'], {
    'plays_2d': {'sum': 'plays', 'window': '2d'},
    'max_3d': {'max': 'best', 'window': '3d'},
    'first_2d': {'first': 'mode', 'by': 'played_at', 'window': '2d'},
    'tiles_2d': {'tiles': true, 'window': '2d'},
    'modes_3d': {'count_distinct': 'mode', 'window': '3d'}
}, until='(select until from watermark)') }}
{%- endmacro %}

{% macro hourly() -%}
{{ fsync.trailing_windows('tiles', ['player_id'], {
    'plays_1h': {'sum': 'plays', 'window': '1h'},
    'max_3h': {'max': 'best', 'window': '3h'},
    'last_1d': {'last': 'mode', 'by': 'played_at', 'window': '1d'},
    'modes_3h': {'count_distinct': 'mode', 'window': '3h'}
}, until='(select until from watermark)', tile='1h') }}
{%- endmacro %}

{% macro picked() -%}
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
{%- endmacro %}

{% macro summed() -%}
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
{%- endmacro %}
