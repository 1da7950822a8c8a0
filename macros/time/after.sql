{#- The instant a duration after another: after('event_at', '7d'). -#}
{% macro after(timestamp, duration) -%}
    {{ adapter.dispatch('after', 'fsync')(timestamp, fsync.duration_seconds(duration)) }}
{%- endmacro %}

{% macro default__after(timestamp, seconds) -%}
    {{ timestamp }} + interval {{ seconds }} seconds
{%- endmacro %}

{% macro bigquery__after(timestamp, seconds) -%}
    timestamp_add({{ timestamp }}, interval {{ seconds }} second)
{%- endmacro %}
