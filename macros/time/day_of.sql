{#- Midnight UTC at the start of an instant's day, as a timestamp. -#}
{% macro day_of(timestamp) -%}
    {{ adapter.dispatch('day_of', 'fsync')(timestamp) }}
{%- endmacro %}

{% macro default__day_of(timestamp) -%}
    cast(date_trunc('day', {{ timestamp }}) as timestamp)
{%- endmacro %}

{% macro bigquery__day_of(timestamp) -%}
    timestamp_trunc({{ timestamp }}, day)
{%- endmacro %}
