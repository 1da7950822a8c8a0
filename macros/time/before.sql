{#- The instant a duration before another: before('event_at', '7d'). -#}
{% macro before(timestamp, duration) -%}
    {{ adapter.dispatch('before', 'fsync')(timestamp, fsync.duration_seconds(duration)) }}
{%- endmacro %}

{% macro default__before(timestamp, seconds) -%}
    {{ timestamp }} - interval {{ seconds }} seconds
{%- endmacro %}

{% macro bigquery__before(timestamp, seconds) -%}
    timestamp_sub({{ timestamp }}, interval {{ seconds }} second)
{%- endmacro %}
